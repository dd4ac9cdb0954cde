defmodule MLflow.TrialTest do
  use ExUnit.Case, async: true

  alias MLflow.{ModelTrial, Run, Trackable, Trial}

  test "statuses become MLflow's" do
    for {ours, theirs} <- [
          pending: :scheduled,
          running: :running,
          completed: :finished,
          succeeded: :finished,
          failed: :failed,
          cancelled: :killed,
          skipped: :killed
        ] do
      assert Trial.run_status(ours) == theirs
      assert ours in Trial.statuses()
    end

    assert Trial.run_status(nil) == :scheduled
    assert length(Trial.statuses()) == 7
  end

  test "MLflow's statuses become a trial's, and theirs again" do
    for status <- Run.statuses() do
      assert status |> Trial.from_run_status() |> Trial.run_status() == status
    end
  end

  test "only an ended run is terminal" do
    assert Enum.filter(Run.statuses(), &Run.terminal?/1) == [:finished, :failed, :killed]
  end

  describe "a record of Thunderline's table" do
    setup do
      record = %ModelTrial{
        id: "uuid",
        trial_id: "t1",
        status: :succeeded,
        parameters: %{"lr" => 0.1, "layers" => [64, 32], "opt" => %{"name" => "adam"}, "x" => nil},
        spectral_norm: true,
        tags: %{"team" => "a"},
        duration_ms: 500,
        completed_at: ~U[2023-11-14 22:13:20Z],
        inserted_at: ~U[2023-11-14 22:00:00Z]
      }

      %{record: record, trial: Trackable.to_trial(record)}
    end

    test "is a trial in MLflow's terms", %{trial: trial} do
      assert trial.id == "uuid"
      assert trial.name == "trial_t1"
      assert trial.status == :finished
      assert trial.tags == %{"team" => "a"}

      assert trial.params == %{
               "lr" => "0.1",
               "layers" => "[64,32]",
               "opt.name" => "adam",
               "spectral_norm" => "true"
             }
    end

    test "ends when it was completed, and began its duration before", %{trial: trial} do
      assert trial.end_time == 1_700_000_000_000
      assert trial.start_time == 1_700_000_000_000 - 500
    end

    test "has no end before it has ended", %{record: record} do
      assert Trackable.to_trial(%{record | status: :running}).end_time == nil
    end

    test "began when it was recorded if nothing says more", %{record: record} do
      trial = Trackable.to_trial(%{record | completed_at: nil, duration_ms: nil})
      assert trial.start_time == DateTime.to_unix(record.inserted_at, :millisecond)
    end
  end

  test "a record of the phase-5 document gives the same" do
    trial =
      Trackable.to_trial(%ModelTrial{
        id: "uuid",
        trial_id: "t2",
        name: "best",
        status: :completed,
        hyperparameters: %{"lr" => 0.1},
        final_accuracy: 0.9,
        started_at: ~U[2023-11-14 22:13:20Z],
        duration_ms: 1_000
      })

    assert trial.name == "best"
    assert trial.status == :finished
    assert trial.params == %{"lr" => "0.1"}
    assert {trial.start_time, trial.end_time} == {1_700_000_000_000, 1_700_000_001_000}
  end

  test "final numbers of both shapes are metrics" do
    attrs = %{
      metrics: %{val: %{loss: 0.5}, note: "ok"},
      final_accuracy: 0.9,
      final_loss: nil,
      best_metric_value: "7"
    }

    assert ModelTrial.final_metrics(attrs) == [
             {"val.loss", 0.5},
             {"final_accuracy", 0.9},
             {"best_metric_value", 7.0}
           ]
  end
end
