if Code.ensure_loaded?(Oban.Engines.Lite) and Code.ensure_loaded?(Ecto.Adapters.SQLite3) do
  defmodule MLflow.Queue.ObanSQLiteTest do
    # A host that is on SQLite. Nothing here needs a server.
    use MLflow.ObanCase

    alias MLflow.{SyncWorker, TestSQLiteRepo, Trials}

    @moduletag :oban

    setup do
      for app <- [:ecto_sqlite3, :oban], do: {:ok, _} = Application.ensure_all_started(app)
      config = [database: tmp_path("host.db"), pool_size: 1, log: false]
      Application.put_env(:mlflow_sync_host, TestSQLiteRepo, config)
      start_supervised!(TestSQLiteRepo)
      Ecto.Migrator.up(TestSQLiteRepo, 1, MLflow.TestRepo.ObanMigration, log: false)
      :ok
    end

    defp start(opts) do
      {server, tracking} = start_tracking()
      experiment = Tracking.add_experiment(tracking, "e")
      oban = [repo: TestSQLiteRepo, engine: Oban.Engines.Lite, notifier: Oban.Notifiers.PG]

      {name, _oban} =
        start_oban_instance(
          tracking_uri: ScriptedServer.uri(server),
          experiment_id: experiment,
          oban: Keyword.merge(oban, opts)
        )

      {name, tracking}
    end

    test "jobs are queued once, one by one and many together" do
      {name, _} = start(queues: [])
      {:ok, job} = SyncWorker.sync_trial_to_mlflow("t1", name: name)
      {:ok, again} = SyncWorker.sync_trial_to_mlflow("t1", name: name)
      assert {again.id, again.conflict?} == {job.id, true}
      {:ok, experiment} = SyncWorker.ensure_experiment("e", name: name)
      {:ok, again} = SyncWorker.ensure_experiment("e", name: name)
      assert {again.id, again.conflict?} == {experiment.id, true}

      ids = for n <- 1..1_500, do: "t#{n}"
      {:ok, jobs} = SyncWorker.sync_trials_to_mlflow(ids, name: name)
      assert Enum.map(jobs, & &1.args["trial_id"]) == ids
      assert [%{conflict?: true} | new] = jobs
      refute Enum.any?(new, & &1.conflict?)
      {:ok, again} = SyncWorker.sync_trials_to_mlflow(ids, name: name)
      assert Enum.map(again, & &1.id) == Enum.map(jobs, & &1.id)
      assert Enum.all?(again, & &1.conflict?)

      assert {:ok, all} = SyncWorker.jobs(name: name)
      assert length(all) == 1_501

      assert {:ok, [%{id: id}]} = SyncWorker.jobs(action: :ensure_experiment, name: name)
      assert id == experiment.id
    end

    test "a later job comes sooner, is cancelled, and runs again unless an equal one waits" do
      {name, _} = start(queues: [])
      {:ok, later} = SyncWorker.sync_trial_to_mlflow("t1", schedule_in: 3_600, name: name)
      {:ok, sooner} = SyncWorker.sync_trial_to_mlflow("t1", schedule_in: 60, name: name)
      assert sooner.id == later.id
      {:ok, [row]} = SyncWorker.jobs(name: name)
      assert DateTime.diff(row.scheduled_at, DateTime.utc_now()) in 50..60

      assert {:ok, %{state: "cancelled"}} = SyncWorker.cancel(row, name: name)
      assert_error(:invalid, SyncWorker.cancel(row, name: name))
      {:ok, _twin} = SyncWorker.sync_trial_to_mlflow("t1", name: name)
      assert_error(:already_exists, SyncWorker.retry(row, name: name))
    end

    test "jobs run, and an instance's own" do
      {name, tracking} = start([])
      ids = for n <- 1..10, do: "t#{n}"
      for id <- ids, do: {:ok, _} = Trials.create(%{trial_id: id, status: :succeeded}, name: name)
      {:ok, _} = SyncWorker.sync_trials_to_mlflow(ids, name: name)
      assert :ok = SyncWorker.drain(name: name)
      assert length(Tracking.runs(tracking)) == 10

      {:ok, job} = SyncWorker.sync_trial_to_mlflow("nobody", name: name)
      assert {:ok, %{state: "cancelled"}} = SyncWorker.await(job, name: name)
      assert {:ok, [_]} = SyncWorker.jobs(state: :cancelled, name: name)
    end
  end
end
