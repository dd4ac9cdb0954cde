defmodule MLflow.SchedulerTest do
  use MLflow.Case, async: true

  alias MLflow.{SyncWorker, Trials}

  defp scheduler?(name) do
    via = {:via, Registry, {MLflow.Registry, {:supervisor, name}}}
    Enum.any?(Supervisor.which_children(via), &(elem(&1, 0) == MLflow.Scheduler))
  end

  test "runs only where it may queue something" do
    assert scheduler?(start_instance(sync_interval: 60))
    refute scheduler?(start_instance(sync_interval: 0))
    refute scheduler?(start_instance(sync_interval: 60, auto_sync: false))
    refute scheduler?(start_instance(sync_interval: 60, enabled: false))
  end

  test "brings the trials that are due to MLflow, and leaves alone those in step" do
    {server, tracking} = start_tracking()
    experiment = Tracking.add_experiment(tracking, "e")

    name =
      start_instance(
        tracking_uri: ScriptedServer.uri(server),
        experiment_id: experiment,
        sync_interval: 1
      )

    {:ok, done} =
      Trials.create(%{trial_id: "t1", status: :succeeded, metrics: %{a: 1}}, name: name)

    {:ok, _} = Trials.create(%{trial_id: "t2", status: :running}, name: name)

    run = fn trial_id ->
      Enum.find(Tracking.runs(tracking), &(&1["tags"]["thunderline_trial_id"] == trial_id))
    end

    eventually(fn -> match?(%{"status" => "FINISHED"}, run.("t1")) && run.("t2") end, 10_000)

    :ok = Trials.log_metrics("t2", %{loss: 0.5}, name: name)
    eventually(fn -> match?([_], run.("t2")["points"]) end, 10_000)
    {:ok, _} = Trials.update("t2", %{status: :failed}, name: name)
    eventually(fn -> run.("t2")["status"] == "FAILED" end, 10_000)

    assert length(Tracking.runs(tracking)) == 2
    assert {:ok, jobs} = SyncWorker.jobs(action: "sync_trial_to_mlflow", name: name)
    assert Enum.count(jobs, &(&1.args["trial_id"] == done.id)) == 1
  end

  test "tries again what failed when the server was away" do
    port = ScriptedServer.free_port()

    name =
      start_instance(
        tracking_uri: "http://127.0.0.1:#{port}",
        experiment_id: "1",
        sync_interval: 1,
        max_attempts: 1
      )

    {:ok, _} = Trials.create(%{trial_id: "t1", status: :succeeded}, name: name)

    eventually(
      fn -> match?({:ok, [_ | _]}, SyncWorker.jobs(state: :discarded, name: name)) end,
      10_000
    )

    tracking = start_supervised!(Tracking)
    start_server(Tracking.script(tracking), port: port)
    eventually(fn -> match?([%{"status" => "FINISHED"}], Tracking.runs(tracking)) end, 15_000)
  end
end
