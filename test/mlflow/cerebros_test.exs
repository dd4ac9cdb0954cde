defmodule MLflow.CerebrosTest do
  use MLflow.Case, async: true

  import ExUnit.CaptureLog

  alias MLflow.{Cerebros, ModelRuns, SyncWorker, Trials}
  alias MLflow.Contracts.{RunFinalizedV1, RunStartedV1, TrialReportedV1}

  # The server is dead: none of this may need it.
  setup do
    %{name: start_instance()}
  end

  defp actions(name) do
    {:ok, jobs} = SyncWorker.jobs(name: name)
    jobs |> Enum.map(& &1.action) |> Enum.sort()
  end

  test "run_started records the search and queues its experiment", %{name: name} do
    contract = %RunStartedV1{
      run_id: "s1",
      dataset_id: "d",
      objective: "accuracy",
      budget: %{trials: 12},
      parameters: %{lr: {0.1, 0.2}},
      timestamp: ~U[2024-01-02 03:04:05Z]
    }

    assert :ok = Cerebros.run_started(contract, name: name)
    assert {:ok, run} = ModelRuns.get("s1", name: name)
    assert {run.state, run.requested_trials} == {:running, 12}
    assert DateTime.compare(run.started_at, ~U[2024-01-02 03:04:05Z]) == :eq
    assert %{"dataset_id" => "d", "objective" => "accuracy"} = run.metadata
    assert run.bridge_payload["parameters"] == %{"lr" => [0.1, 0.2]}

    assert {:ok, [job]} = SyncWorker.jobs(name: name)
    assert job.action == "ensure_experiment"
    assert job.args == %{"experiment_name" => "thunderline-trials", "model_run_id" => run.id}
  end

  test "trial_reported creates the trial, and then updates it", %{name: name} do
    assert :ok = Cerebros.run_started(%RunStartedV1{run_id: "s1"}, name: name)
    {:ok, %{id: run_id}} = ModelRuns.get("s1", name: name)

    running = %TrialReportedV1{
      trial_id: "t1",
      run_id: "s1",
      status: :running,
      parameters: %{lr: 0.1},
      spectral_norm: true,
      rank: 3
    }

    assert :ok = Cerebros.trial_reported(running, name: name)
    assert {:ok, trial} = Trials.get("t1", name: name)
    assert {trial.status, trial.model_run_id, trial.rank} == {:running, run_id, 3}
    assert trial.spectral_norm == true

    done = %TrialReportedV1{
      trial_id: "t1",
      run_id: "s1",
      status: :succeeded,
      metrics: %{acc: 0.9}
    }

    assert :ok = Cerebros.trial_reported(done, name: name)
    assert {:ok, again} = Trials.get("t1", name: name)
    assert {again.id, again.status, again.metrics} == {trial.id, :succeeded, %{"acc" => 0.9}}
    # What a report leaves out is left alone.
    assert {again.parameters, again.rank} == {%{"lr" => 0.1}, 3}
    assert {:ok, [%{key: "acc", value: 0.9}]} = Trials.history("t1", nil, name: name)
    assert "sync_trial_to_mlflow" in actions(name)
  end

  test "contracts may be maps with atom or string keys", %{name: name} do
    assert :ok = Cerebros.run_started(%{"run_id" => "s1", "budget" => 5}, name: name)
    assert {:ok, %{requested_trials: 5}} = ModelRuns.get("s1", name: name)

    contract = %{
      "trial_id" => "t1",
      "run_id" => "s1",
      "status" => "succeeded",
      "metrics" => %{"acc" => 0.9}
    }

    assert :ok = Cerebros.trial_reported(contract, name: name)
    assert {:ok, %{status: :succeeded}} = Trials.get("t1", name: name)
    assert {:ok, [%{key: "acc"}]} = Trials.history("t1", nil, name: name)

    assert :ok = Cerebros.trial_reported(%{trial_id: "t2", status: :timeout}, name: name)
    assert {:ok, %{status: :failed, model_run_id: nil}} = Trials.get("t2", name: name)
  end

  test "a trial may be heard of before its search", %{name: name} do
    report = %TrialReportedV1{trial_id: "t1", run_id: "s1", status: :running}
    assert :ok = Cerebros.trial_reported(report, name: name)
    assert {:ok, %{id: id, state: :running}} = ModelRuns.get("s1", name: name)
    assert :ok = Cerebros.run_started(%RunStartedV1{run_id: "s1", budget: 3}, name: name)
    assert {:ok, %{id: ^id, requested_trials: 3}} = ModelRuns.get("s1", name: name)
  end

  test "two reports of one new trial at the same moment are one trial", %{name: name} do
    1..20
    |> Task.async_stream(
      fn n ->
        report = %TrialReportedV1{trial_id: "t1", run_id: "s1", metrics: %{"m#{n}" => n}}
        Cerebros.trial_reported(report, name: name)
      end,
      max_concurrency: 20
    )
    |> Enum.each(&assert &1 == {:ok, :ok})

    assert {:ok, [_]} = Trials.list(name: name)
    assert {:ok, [_]} = ModelRuns.list(name: name)
    assert {:ok, points} = Trials.history("t1", nil, name: name)
    assert length(points) == 20
  end

  test "run_finalized closes the search and queues what its trials miss", %{name: name} do
    for n <- 1..3 do
      status = if n == 3, do: :running, else: :succeeded
      report = %TrialReportedV1{trial_id: "t#{n}", run_id: "s1", status: status}
      :ok = Cerebros.trial_reported(report, name: name)
    end

    contract = %RunFinalizedV1{
      run_id: "s1",
      status: :timeout,
      returncode: 137,
      stdout_excerpt: "Killed"
    }

    assert :ok = Cerebros.run_finalized(contract, name: name)
    assert {:ok, run} = ModelRuns.get("s1", name: name)
    assert {run.state, run.completed_trials} == {:failed, 2}
    assert run.error_message == "timeout: return code 137: Killed"
    assert %DateTime{} = run.finished_at
    assert run.bridge_result["status"] == "timeout"
    {:ok, jobs} = SyncWorker.jobs(action: "sync_trial_to_mlflow", name: name)
    assert jobs |> Enum.map(& &1.args["trial_id"]) |> Enum.uniq() |> length() == 3
  end

  test "all states a search can end in", %{name: name} do
    for {status, state} <- [
          succeeded: :succeeded,
          failed: :failed,
          cancelled: :cancelled,
          timeout: :failed,
          completed: :succeeded
        ] do
      contract = %RunFinalizedV1{run_id: "s-#{status}", status: status}
      assert :ok = Cerebros.run_finalized(contract, name: name)
      assert {:ok, %{state: ^state}} = ModelRuns.get("s-#{status}", name: name)
    end
  end

  describe "settings:" do
    test "a disabled instance does nothing" do
      name = start_instance(enabled: false)
      assert :ok = Cerebros.run_started(%RunStartedV1{run_id: "s1"}, name: name)
      assert :ok = Cerebros.trial_reported(%TrialReportedV1{trial_id: "t1"}, name: name)
      assert Trials.list(name: name) == {:ok, []}
      assert ModelRuns.list(name: name) == {:ok, []}
    end

    test "auto_sync: false records and queues nothing" do
      name = start_instance(auto_sync: false)
      assert :ok = Cerebros.run_started(%RunStartedV1{run_id: "s1"}, name: name)
      report = %TrialReportedV1{trial_id: "t1", run_id: "s1", status: :running}
      assert :ok = Cerebros.trial_reported(report, name: name)

      assert :ok =
               Cerebros.run_finalized(%RunFinalizedV1{run_id: "s1", status: :failed}, name: name)

      assert {:ok, [_]} = Trials.list(name: name)
      assert SyncWorker.jobs(name: name) == {:ok, []}
    end

    @mistakes [
      {:trial_reported, %{trial_id: "t1", status: :exploded}},
      {:trial_reported, %{trial_id: nil}},
      {:trial_reported, %{}},
      {:trial_reported, %{trial_id: "t1", metrics: "high"}},
      {:trial_reported, :not_a_contract},
      {:run_started, %{budget: 3, run_id: %{}}},
      {:run_finalized, %{run_id: "s1", status: :exploded}},
      {:run_finalized, nil}
    ]

    test "fail_silently: true logs what failed and answers :ok", %{name: name} do
      for {hook, contract} <- @mistakes do
        log = capture_log(fn -> assert apply(Cerebros, hook, [contract, [name: name]]) == :ok end)
        assert log =~ "MLflow.Cerebros.#{hook}/2 failed"
      end
    end

    test "fail_silently: false answers the error" do
      name = start_instance(fail_silently: false)

      for {hook, contract} <- @mistakes do
        assert {:error, %MLflow.Error{}} = apply(Cerebros, hook, [contract, [name: name]])
      end
    end

    test "a missing instance never fails a trial" do
      log =
        capture_log(fn ->
          assert :ok =
                   Cerebros.trial_reported(%TrialReportedV1{trial_id: "t1"}, name: Nobody.Here)
        end)

      assert log =~ "no MLflow instance named Nobody.Here"
    end
  end
end
