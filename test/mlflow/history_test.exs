defmodule MLflow.HistoryTest do
  use MLflow.Case, async: true

  alias MLflow.{Conflict, History, Runs, Sync, SyncAttempt, SyncWorker, Trials}
  alias MLflow.Store.Embedded

  # An instance on a tracking server of its own with one experiment, which is the default.
  defp start(overrides \\ %{}, opts \\ []) do
    {server, tracking} = start_tracking(overrides)
    experiment = Tracking.add_experiment(tracking, "trials")
    server = [tracking_uri: ScriptedServer.uri(server), experiment_id: experiment]
    name = start_instance(Keyword.merge(server, opts))
    %{tracking: tracking, experiment: experiment, name: name}
  end

  defp create!(attrs, name) do
    {:ok, trial} = Trials.create(attrs, name: name)
    trial
  end

  defp history!(opts) do
    {:ok, attempts} = MLflow.history(opts)
    attempts
  end

  describe "an attempt" do
    test "that succeeds is kept with what it did" do
      %{name: name} = start()
      trial = create!(%{trial_id: "t1", status: :succeeded, parameters: %{lr: 0.1}}, name)
      {:ok, report} = Sync.trial_to_mlflow("t1", name: name)

      assert [%SyncAttempt{} = attempt] = history!(name: name)
      assert {attempt.action, attempt.direction} == {:sync_trial_to_mlflow, :push}
      assert {attempt.target, attempt.model_trial_id} == {"t1", trial.id}
      assert {attempt.result, attempt.error} == {:ok, nil}
      assert attempt.mlflow_run_id == report["mlflow_run_id"]
      assert attempt.pushed == report["pushed"]
      assert {attempt.requests, attempt.writes} == {3, 3}
      assert {attempt.pulled, attempt.conflicts, attempt.counts} == {0, 0, nil}
      assert attempt.duration_ms in 0..60_000
      assert abs(DateTime.diff(DateTime.utc_now(), attempt.started_at)) < 60
    end

    test "that has nothing to do is one more" do
      %{name: name} = start()
      create!(%{trial_id: "t1", status: :succeeded}, name)
      for _ <- 1..3, do: {:ok, _} = Sync.trial_to_mlflow("t1", name: name)
      assert Enum.map(history!(name: name), & &1.requests) |> Enum.sort() == [0, 0, 2]
    end

    test "at a trial that does not exist is kept as well" do
      %{name: name} = start()
      assert_error(:not_found, Sync.trial_to_mlflow("nobody", name: name))

      assert [%{result: :cancel, error: %MLflow.Error{kind: :not_found}} = attempt] =
               history!(trial: "nobody", name: name)

      assert {attempt.target, attempt.model_trial_id} == {"nobody", nil}
    end

    test "tells what becomes of its failure" do
      refusals = [
        cancel: ScriptedServer.error(403, "PERMISSION_DENIED", "not yours"),
        error: ScriptedServer.error(503, "TEMPORARILY_UNAVAILABLE", "later"),
        snooze: {429, [{"retry-after", "7"}], ~s({"error_code": "REQUEST_LIMIT_EXCEEDED"})}
      ]

      for {result, refusal} <- refusals do
        %{name: name} = start(%{"runs/create" => refusal})
        create!(%{trial_id: "t1"}, name)
        {:error, error} = Sync.trial_to_mlflow("t1", name: name)
        assert [attempt] = history!(result: result, name: name)
        assert attempt.error.kind == error.kind
        assert Exception.message(attempt.error) == Exception.message(error)
      end
    end

    test "is one, whichever of the jobs it was" do
      %{name: name, tracking: tracking, experiment: experiment} = start()
      create!(%{trial_id: "t1", status: :succeeded}, name)
      run_id = Tracking.add_run(tracking, experiment)

      {:ok, _} = Sync.ensure_experiment("trials", name: name)
      {:ok, _} = Sync.create_run("t1", experiment, name: name)
      {:ok, _} = Sync.mlflow_to_trial(run_id, name: name)
      {:ok, report} = Sync.experiment(experiment, name: name)

      attempts = Enum.sort_by(history!(name: name), & &1.id)

      assert Enum.map(attempts, &{&1.action, &1.direction, &1.result}) == [
               {:ensure_experiment, :push, :ok},
               {:create_run, :push, :ok},
               {:sync_mlflow_to_trial, :pull, :ok},
               {:sync_experiment, :both, :ok}
             ]

      [ensured, created, pulled, compared] = attempts
      assert ensured.mlflow_experiment_id == experiment
      assert {:ok, %{mlflow_run_id: created_run}} = Trials.get("t1", name: name)
      assert created.mlflow_run_id == created_run
      assert {pulled.mlflow_run_id, pulled.model_trial_id} == {run_id, nil}
      assert compared.mlflow_experiment_id == experiment
      assert %{"runs" => 2, "unchanged" => 2, "failed" => 0} = compared.counts
      assert compared.requests == report["requests"]
    end

    test "of a job is one per try of the job" do
      %{name: name} = start()
      create!(%{trial_id: "t1", status: :succeeded}, name)
      {:ok, job} = SyncWorker.sync_trial_to_mlflow("t1", name: name)
      {:ok, %{state: :completed}} = SyncWorker.await(job, name: name)
      assert [%{action: :sync_trial_to_mlflow, result: :ok}] = history!(name: name)
    end

    test "of a switched off instance is none" do
      name = start_instance(enabled: false)
      assert_error(:disabled, Sync.trial_to_mlflow("t1", name: name))
      assert history!(name: name) == []
    end
  end

  describe "conflicts" do
    test "are kept with both values and the winner" do
      %{name: name} = start()
      trial = create!(%{trial_id: "t1", status: :running, parameters: %{lr: 0.1}}, name)
      {:ok, _} = Sync.trial_to_mlflow("t1", name: name)
      {:ok, _} = Trials.update("t1", %{parameters: %{lr: 0.2}}, name: name)
      {:ok, report} = Sync.trial_to_mlflow("t1", name: name)

      assert {:ok, [%Conflict{} = conflict]} = MLflow.conflicts(name: name)
      assert {conflict.field, conflict.key, conflict.winner} == {"param", "lr", :remote}
      assert {conflict.local, conflict.remote} == {"0.2", "0.1"}
      assert conflict.model_trial_id == trial.id
      assert conflict.mlflow_run_id == report["mlflow_run_id"]

      assert [%{conflicts: 1} = attempt, %{conflicts: 0}] = history!(name: name)
      assert {conflict.attempt_id, conflict.at} == {attempt.id, attempt.started_at}

      for {found, filter} <- [
            {1, [trial: "t1"]},
            {1, [trial: trial.id]},
            {0, [trial: "t2"]},
            {1, [run: report["mlflow_run_id"]]},
            {1, [field: :param]},
            {0, [field: "status"]},
            {1, [since: attempt.started_at]},
            {0, [since: DateTime.add(attempt.started_at, 1, :millisecond)]}
          ] do
        assert {:ok, conflicts} = MLflow.conflicts([name: name] ++ filter)
        assert length(conflicts) == found, "#{inspect(filter)}"
      end
    end
  end

  describe "history/1" do
    test "lists what is asked for, newest first" do
      %{name: name} = start()
      for id <- ["a", "b"], do: create!(%{trial_id: id, status: :succeeded}, name)
      for id <- ["a", "b", "gone", "a"], do: Sync.trial_to_mlflow(id, name: name)

      targets = fn filter -> Enum.map(history!([name: name] ++ filter), & &1.target) end
      assert targets.([]) == ["a", "gone", "b", "a"]
      assert targets.(limit: 2) == ["a", "gone"]
      assert targets.(trial: "a") == ["a", "a"]
      assert targets.(target: "b") == ["b"]
      assert targets.(result: :cancel) == ["gone"]
      assert targets.(action: :create_run) == []
      [%{mlflow_run_id: run} | _] = history!(trial: "b", name: name)
      assert targets.(run: run) == ["b"]
      assert targets.(since: System.system_time(:millisecond) + 60_000) == []
    end

    test "refuses what it does not know" do
      name = start_instance()
      assert_raise ArgumentError, ~r/trail/, fn -> MLflow.history(trail: "t1", name: name) end
      assert_raise ArgumentError, ~r/field/, fn -> MLflow.history(field: "x", name: name) end
      assert_raise ArgumentError, ~r/:limit/, fn -> MLflow.conflicts(limit: 0, name: name) end
      assert_error(:config, MLflow.history(name: :nobody))
    end

    test "is of one instance, though several share the file" do
      database = tmp_path("shared.db")
      one = start_instance(database: database)
      two = start_instance(database: database)
      {:error, _} = Sync.trial_to_mlflow("t1", name: one)
      assert [_] = history!(name: one)
      assert [] = history!(name: two)
    end
  end

  test "what is older than the retention is pruned" do
    name = start_instance(history_retention: 100)
    instance = instance!(name)
    now = System.system_time(:millisecond)

    for n <- 1..600 do
      attempt = %{
        action: :create_run,
        target: "#{n}",
        direction: :push,
        result: :ok,
        started_at: if(n <= 3, do: now, else: now - 200_000),
        duration_ms: 1
      }

      conflict = %{"field" => "status", "winner" => :local}
      :ok = Embedded.record_sync(instance, attempt, [conflict])
    end

    assert History.Pruner.prune(instance.config) == {:ok, 597}
    assert history!(name: name) |> Enum.map(& &1.target) |> Enum.sort() == ["1", "2", "3"]
    assert {:ok, [_, _, _]} = MLflow.conflicts(name: name)
  end

  describe "the points of a run" do
    test "are kept once, and told with the run" do
      name = start_instance()
      instance = instance!(name)
      assert_error(:not_found, Runs.history("r1", nil, name: name))

      points = [{"loss", 0.5, 1, 9}, {"loss", :nan, 2, 9}, {"acc", 0.1, 1, 9}]
      assert Embedded.put_run_points(instance, "r1", points) == {:ok, 3}
      assert Embedded.put_run_points(instance, "r1", points) == {:ok, 0}

      assert {:ok, [acc, first, second]} = Runs.history("r1", nil, name: name)
      assert acc == %MLflow.Metric{key: "acc", value: 0.1, step: 1, timestamp: 9}
      assert {first.value, second.value} == {0.5, :nan}
      assert Runs.history("r1", :acc, name: name) == {:ok, [acc]}

      {:ok, _} = Embedded.put_run(instance, %{mlflow_run_id: "r2"})
      assert Runs.history("r2", nil, name: name) == {:ok, []}
    end

    test "of a run with a trial are the trial's" do
      name = start_instance()
      trial = create!(%{trial_id: "t1"}, name)
      :ok = Trials.log_metrics("t1", [{:loss, 1, 1, 9}], name: name)
      instance = instance!(name)
      {:ok, 1} = Embedded.put_run_points(instance, "r1", [{"loss", 2.0, 2, 9}])
      {:ok, _} = Embedded.put_run(instance, %{mlflow_run_id: "r1", model_trial_id: trial.id})

      assert {:ok, [%{step: 1}, %{step: 2}] = points} = Runs.history("r1", :loss, name: name)
      assert Trials.history("t1", :loss, name: name) == {:ok, points}
    end
  end
end
