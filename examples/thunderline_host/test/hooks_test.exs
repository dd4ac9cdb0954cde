defmodule Thunderline.HooksTest do
  use Thunderline.HostCase

  @trials 200

  test "a search of #{@trials} trials shows up in MLflow, each trial once" do
    {:ok, model_run} = Persistence.run_started(search("s200"))

    1..@trials
    |> Task.async_stream(fn n -> {:ok, _} = Persistence.trial_reported(trial("s200", n)) end,
      max_concurrency: 8,
      timeout: :infinity
    )
    |> Stream.run()

    {:ok, _} =
      Persistence.run_finalized(%Thunderline.Thunderbolt.CerebrosBridge.Contracts.RunFinalizedV1{
        run_id: "s200",
        status: :succeeded
      })

    counts = work(300_000)
    assert Map.keys(counts) == ["completed"]

    runs = runs_of_trials()
    {:ok, trials} = ModelTrial.of_model_run(model_run.id)
    assert length(trials) == @trials

    for trial <- trials do
      assert [run] = Map.fetch!(runs, trial.trial_id)
      assert trial.mlflow_run_id == run.run_id
      assert run.status == :finished
      assert run.metrics["accuracy"] == trial.metrics["accuracy"]
      assert run.metrics["val.loss"] == trial.metrics["val"]["loss"]
      assert run.params["lr"] == to_string(trial.parameters["lr"])
      assert run.params["spectral_norm"] == to_string(trial.spectral_norm)
      assert run.tags["thunderline_model_run_id"] == model_run.id
      assert run.end_time - run.start_time == trial.duration_ms

      assert {:ok, record} = MLflow.Runs.for_trial(trial.id)
      assert record.mlflow_run_id == run.run_id
      assert record.params == run.params
      assert record.sync_error == nil
    end

    assert {:ok, [%{completed_trials: @trials}]} = Ash.read(ModelRun)
  end

  test "after a rollback there is neither a trial nor a job, and MLflow hears of nothing" do
    {:ok, _} = Persistence.run_started(search("rolled-back"))
    before = job_counts()

    Repo.transaction(fn ->
      {:ok, _} = Persistence.trial_reported(trial("rolled-back", 1))
      Repo.rollback(:changed_my_mind)
    end)

    assert {:ok, []} = Ash.read(ModelTrial)
    assert job_counts() == before
    work()
    refute Map.has_key?(runs_of_trials(), "rolled-back-t1")
  end

  test "the default experiment is recorded, and linked to the search" do
    {:ok, model_run} = Persistence.run_started(search("linked"))
    assert %{"completed" => 1} = work()
    {:ok, experiment_id} = MLflow.default_experiment()

    {:ok, experiment} =
      Thunderline.Thunderbolt.MLflow.Experiment.by_mlflow_id(experiment_id, load: [:model_run])

    assert experiment.model_run.id == model_run.id
  end
end
