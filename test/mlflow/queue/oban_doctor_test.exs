if Code.ensure_loaded?(Oban) do
  defmodule MLflow.Queue.ObanDoctorTest do
    use MLflow.ObanCase

    alias MLflow.{Doctor, SyncWorker}
    alias Oban.Job

    @moduletag :oban
    @moduletag :postgres

    setup do
      MLflow.Postgres.clean!(["oban_jobs"])
      {server, tracking} = start_tracking()
      Tracking.add_experiment(tracking, "thunderline-trials")
      %{uri: ScriptedServer.uri(server)}
    end

    defp queue(name) do
      {_verdict, findings} = Doctor.run(name: name)
      for %{area: :queue} = finding <- findings, do: finding
    end

    test "the doctor tells of the jobs in Oban", %{uri: uri} do
      {name, oban} = start_oban_instance(tracking_uri: uri, token: "secret-token")
      assert [%{level: :ok, title: where}, %{title: "there are no jobs"}] = queue(name)

      assert where ==
               "jobs are in the Oban named #{inspect(oban)}, queue mlflow_sync, which runs in this VM"

      {:ok, job} = SyncWorker.sync_trial_to_mlflow("gone", name: name)
      {:ok, %{state: "cancelled"}} = SyncWorker.await(job, name: name)
      {:ok, _} = SyncWorker.sync_trial_to_mlflow("later", schedule_in: 60, name: name)

      assert [_, %{title: "jobs: 1 scheduled, 1 cancelled"}, lost] = queue(name)
      assert %{level: :warning, title: "1 job was given up"} = lost
      assert lost.detail =~ "sync_trial_to_mlflow"
      assert lost.detail =~ "gone"
      assert lost.detail =~ "(cancelled): MLflow.SyncWorker failed with {:cancel, %MLflow.Error{"
      refute lost.detail =~ "secret-token"
    end

    test "and of those that nobody runs", %{uri: uri} do
      {name, _} = start_oban_instance(tracking_uri: uri, oban: [queues: []])
      {:ok, _} = SyncWorker.sync_trial_to_mlflow("t1", name: name)
      TestRepo.update_all(Job, set: [scheduled_at: DateTime.add(DateTime.utc_now(), -7_200)])

      assert [where, _, waiting] = queue(name)
      assert where.title =~ "queue mlflow_sync, which does not run in this VM"
      assert where.advice =~ "add mlflow_sync: 4 to the queues"
      assert %{level: :warning, title: "the oldest of 1 job is due since 2 h"} = waiting
    end

    test "and of an Oban that is not there, or options that are none", %{uri: uri} do
      name = start_instance(tracking_uri: uri, queue: {MLflow.Queue.Oban, oban: No.Oban})
      assert [%{level: :info, title: title}] = queue(name)
      assert title == "jobs are in the Oban named No.Oban, not running here"

      stop_instance(name)
      path = tmp_path("mlflow.db")
      {:ok, store} = MLflow.Native.store_open(path)
      MLflow.Native.store_close(store)

      options = [tracking_uri: uri, database: path, queue: {MLflow.Queue.Oban, quue: :a}]
      {_verdict, findings} = Doctor.run([environment: false] ++ options)
      assert [finding] = Enum.filter(findings, &(&1.area == :queue))
      assert finding.title == "the instance cannot start"
      assert finding.detail =~ "did you mean :queue?"
    end
  end
end
