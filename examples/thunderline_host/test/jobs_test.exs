defmodule Thunderline.JobsTest do
  use Thunderline.HostCase

  alias MLflow.{Client, SyncWorker}

  setup do
    {:ok, _} = Persistence.run_started(search("jobs"))
    {:ok, trial} = Persistence.trial_reported(trial("jobs", System.unique_integer([:positive])))
    work()
    %{trial: Ash.reload!(trial)}
  end

  test "sync_trial_to_mlflow sends what is new, later", %{trial: trial} do
    {:ok, _} = ModelTrial.report(%{trial_id: trial.trial_id, status: :failed, metrics: %{acc: 0.5}})
    {:ok, %Oban.Job{state: "scheduled"} = job} =
      SyncWorker.sync_trial_to_mlflow(trial.id, schedule_in: 60)

    assert job.queue == "mlflow_sync"
    assert DateTime.diff(job.scheduled_at, DateTime.utc_now()) in 50..61
    {:ok, _} = SyncWorker.retry(job)
    assert %{"completed" => _} = work()
    {:ok, run} = Client.get_run(trial.mlflow_run_id)
    assert {run.status, run.metrics["acc"]} == {:failed, 0.5}
  end

  test "sync_mlflow_to_trial writes what MLflow changed through the named action", %{trial: trial} do
    run_id = trial.mlflow_run_id
    :ok = Client.log_metric(run_id, :f1, 0.75)
    :ok = Client.log_param(run_id, :seed, 42)
    :ok = Client.set_tag(run_id, "reviewed", "yes")

    {:ok, _job} = SyncWorker.sync_mlflow_to_trial(run_id)
    work()

    pulled = Ash.reload!(trial)
    assert pulled.metrics["f1"] == 0.75
    assert pulled.parameters["seed"] == "42"
    # The trial has no field for tags, so the run's record keeps them.
    {:ok, record} = MLflow.Runs.get(run_id)
    assert record.tags["reviewed"] == "yes"

    # And nothing of it goes back as a change of ours.
    {:ok, report} = MLflow.Sync.trial_to_mlflow(trial.id)
    assert report["writes"] == 0
    {:ok, run} = Client.get_run(run_id)
    assert run.tags["reviewed"] == "yes"
  end

  test "sync_experiment brings both sides in step", %{trial: trial} do
    {:ok, experiment} = MLflow.default_experiment()
    :ok = Client.set_tag(trial.mlflow_run_id, "by", "a colleague")
    {:ok, foreign} = Client.create_run(experiment, run_name: "from python")

    {:ok, _job} = SyncWorker.sync_experiment(experiment)
    work()

    assert {:ok, %{tags: %{"by" => "a colleague"}}} = MLflow.Runs.get(trial.mlflow_run_id)
    assert {:ok, %{run_name: "from python"}} = MLflow.Runs.get(foreign.run_id)
  end

  test "create_run puts a trial into another experiment" do
    {:ok, other} = Client.create_experiment("other #{System.os_time(:microsecond)}")
    trial = %{trial_id: "elsewhere-#{System.os_time(:microsecond)}", status: :succeeded}
    {:ok, trial} = ModelTrial.report(trial)
    {:ok, _job} = SyncWorker.create_run(trial.id, other.experiment_id)
    work()
    {:ok, run} = Client.get_run(Ash.reload!(trial).mlflow_run_id)
    assert run.experiment_id == other.experiment_id
  end

  test "jobs that were queued under the worker's old name still run", %{trial: trial} do
    {:ok, _} = ModelTrial.report(%{trial_id: trial.trial_id, status: :succeeded, metrics: %{x: 1}})

    Repo.insert!(%Oban.Job{
      worker: "Thunderline.Thunderbolt.MLflow.SyncWorker",
      queue: "mlflow_sync",
      args: %{"action" => "sync_trial_to_mlflow", "trial_id" => trial.id},
      state: "available"
    })

    assert Map.keys(work()) == ["completed"]
    {:ok, run} = Client.get_run(trial.mlflow_run_id)
    assert run.metrics["x"] == 1.0
  end

  test "a trial knows its run", %{trial: trial} do
    {:ok, trial} = Ash.load(trial, :mlflow_run)
    assert trial.mlflow_run.mlflow_run_id == trial.mlflow_run_id
  end

  test "metrics of a training loop are kept as series", %{trial: trial} do
    for step <- 1..5, do: :ok = MLflow.Trials.log_metrics(trial.trial_id, %{loss: 1 / step}, step: step)
    {:ok, _job} = SyncWorker.sync_trial_to_mlflow(trial.id)
    work()
    {:ok, history} = Client.get_metric_history(trial.mlflow_run_id, :loss)
    assert Enum.map(history, & &1.step) == [1, 2, 3, 4, 5]
  end
end
