defmodule MLflow.SyncTest do
  use MLflow.Case, async: true

  alias MLflow.{Runs, Sync, Trials}

  @at 1_700_000_000_000

  # An instance on a tracking server of its own with one experiment, which is the default.
  defp start(overrides \\ %{}, opts \\ []) do
    {server, tracking} = start_tracking(overrides)
    experiment = Tracking.add_experiment(tracking, "trials")

    name =
      start_instance(
        Keyword.merge(
          [tracking_uri: ScriptedServer.uri(server), experiment_id: experiment],
          opts
        )
      )

    %{server: server, tracking: tracking, experiment: experiment, name: name}
  end

  defp create!(attrs, name) do
    {:ok, trial} = Trials.create(attrs, name: name)
    trial
  end

  defp push!(trial_id, name) do
    {:ok, report} = Sync.trial_to_mlflow(trial_id, name: name)
    next_millisecond()
    report
  end

  defp points(run),
    do:
      run["points"]
      |> Enum.map(&{&1["key"], &1["value"], &1["step"], &1["timestamp"]})
      |> Enum.sort()

  describe "a trial goes to MLflow" do
    test "finished: in 3 requests, with all it has" do
      %{server: server, tracking: tracking, experiment: experiment, name: name} = start()

      create!(
        %{
          trial_id: "t1",
          model_run_id: "m1",
          status: :succeeded,
          parameters: %{lr: 0.1, opt: %{name: "adam"}},
          metrics: %{accuracy: 0.93},
          spectral_norm: true,
          tags: %{team: "a"},
          started_at: ~U[2023-11-14 22:13:20Z],
          completed_at: ~U[2023-11-14 22:14:20Z]
        },
        name
      )

      report = push!("t1", name)

      assert ScriptedServer.operations(server) == ["runs/create", "runs/log-batch", "runs/update"]

      assert %{"creation" => "created", "requests" => 3, "writes" => 3, "conflicts" => []} =
               report

      assert [run] = Tracking.runs(tracking)
      assert run["run_id"] == report["mlflow_run_id"]
      assert run["experiment_id"] == experiment
      assert run["run_name"] == "trial_t1"
      assert run["status"] == "FINISHED"
      assert run["start_time"] == @at
      assert run["end_time"] == @at + 60_000
      assert run["params"] == %{"lr" => "0.1", "opt.name" => "adam", "spectral_norm" => "true"}
      assert points(run) == [{"accuracy", 0.93, 0, @at + 60_000}]

      assert run["tags"] == %{
               "thunderline_trial_id" => "t1",
               "thunderline_model_run_id" => "m1",
               "spectral_norm" => "true",
               "team" => "a"
             }
    end

    test "of the phase-5 shape: just the same" do
      %{tracking: tracking, name: name} = start()

      create!(
        %{
          trial_id: "t1",
          status: :completed,
          hyperparameters: %{lr: 0.1},
          final_accuracy: 0.9,
          final_loss: 0.2,
          best_metric_value: 0.95,
          completed_at: ~U[2023-11-14 22:13:20Z]
        },
        name
      )

      assert %{"requests" => 3} = push!("t1", name)
      assert [run] = Tracking.runs(tracking)
      assert {run["status"], run["params"]} == {"FINISHED", %{"lr" => "0.1"}}

      assert points(run) == [
               {"best_metric_value", 0.95, 0, @at},
               {"final_accuracy", 0.9, 0, @at},
               {"final_loss", 0.2, 0, @at}
             ]
    end

    test "running: in 2 requests" do
      %{server: server, name: name} = start()
      create!(%{trial_id: "t1", status: :running, parameters: %{lr: 0.1}}, name)
      assert %{"requests" => 2} = push!("t1", name)
      assert ScriptedServer.operations(server) == ["runs/create", "runs/log-batch"]
    end

    test "unchanged: in none" do
      %{server: server, name: name} = start()
      create!(%{trial_id: "t1", status: :succeeded, metrics: %{a: 1}, parameters: %{b: 2}}, name)
      push!("t1", name)
      ScriptedServer.forget(server)

      assert %{"requests" => 0, "writes" => 0, "pushed" => 0, "creation" => "not_needed"} =
               push!("t1", name)

      assert ScriptedServer.requests(server) == []
    end

    test "changed: with what changed, and nothing else" do
      %{server: server, tracking: tracking, name: name} = start()
      create!(%{trial_id: "t1", status: :running, parameters: %{lr: 0.1}}, name)
      :ok = Trials.log_metrics("t1", [{:loss, 0.9, 1, @at}], name: name)
      push!("t1", name)
      ScriptedServer.forget(server)

      :ok = Trials.log_metrics("t1", [{:loss, 0.5, 2, @at + 1}], name: name)
      {:ok, _} = Trials.update("t1", %{tags: %{best: true}}, name: name)
      # A tag that is new here may not be new there: the run is read first.
      assert %{"requests" => 2, "writes" => 1, "pushed" => 2} = push!("t1", name)

      assert [%{json: json}] = ScriptedServer.requests(server, "runs/log-batch")
      assert [%{"step" => 2, "value" => 0.5, "timestamp" => time}] = json["metrics"]
      assert time == @at + 1
      assert json["tags"] == [%{"key" => "best", "value" => "true"}]
      assert json["params"] == []

      assert [run] = Tracking.runs(tracking)
      assert points(run) == [{"loss", 0.5, 2, @at + 1}, {"loss", 0.9, 1, @at}]
    end

    test "ended: its status with a look at what it replaces" do
      %{server: server, tracking: tracking, name: name} = start()
      create!(%{trial_id: "t1", status: :running}, name)
      push!("t1", name)
      ScriptedServer.forget(server)

      {:ok, _} = Trials.update("t1", %{status: :failed}, name: name)
      assert %{"requests" => 2, "writes" => 1} = push!("t1", name)
      assert ScriptedServer.operations(server) == ["runs/get", "runs/update"]
      assert [%{"status" => "FAILED", "end_time" => ended}] = Tracking.runs(tracking)
      assert is_integer(ended)
    end

    test "with its whole history, point by point" do
      %{server: server, tracking: tracking, name: name} = start()
      create!(%{trial_id: "t1", status: :running}, name)
      points = for n <- 1..2_500, do: {"loss", 1 / n, n, @at + n}
      :ok = Trials.log_metrics("t1", points, name: name)

      assert %{"requests" => 4, "pushed" => 2_500} = push!("t1", name)

      assert Enum.frequencies(ScriptedServer.operations(server)) == %{
               "runs/create" => 1,
               "runs/log-batch" => 3
             }

      assert [run] = Tracking.runs(tracking)
      assert points(run) == Enum.sort(points)
    end

    test "statuses of all kinds" do
      %{tracking: tracking, name: name} = start()

      for {status, expected} <- [
            pending: "SCHEDULED",
            running: "RUNNING",
            completed: "FINISHED",
            succeeded: "FINISHED",
            failed: "FAILED",
            cancelled: "KILLED",
            skipped: "KILLED"
          ] do
        create!(%{trial_id: "t-#{status}", status: status}, name)
        %{"mlflow_run_id" => id} = push!("t-#{status}", name)
        run = Enum.find(Tracking.runs(tracking), &(&1["run_id"] == id))
        assert {status, run["status"]} == {status, expected}
        assert is_integer(run["end_time"]) == status not in [:pending, :running]
      end
    end

    test "that MLflow gave another param is a conflict, which is reported and costs no request" do
      %{server: server, tracking: tracking, name: name} = start()
      create!(%{trial_id: "t1", status: :running, parameters: %{lr: 0.1}}, name)
      push!("t1", name)
      {:ok, _} = Trials.update("t1", %{parameters: %{lr: 0.2}}, name: name)
      ScriptedServer.forget(server)

      assert %{"conflicts" => [conflict], "requests" => 0} = push!("t1", name)

      assert %{
               "field" => "param",
               "key" => "lr",
               "local" => "0.2",
               "remote" => "0.1",
               "winner" => "remote"
             } = conflict

      assert [%{"params" => %{"lr" => "0.1"}}] = Tracking.runs(tracking)
    end

    test "into the experiment that the trial names" do
      %{tracking: tracking, name: name} = start()
      other = Tracking.add_experiment(tracking, "other")
      create!(%{trial_id: "t1", mlflow_experiment_id: other}, name)
      push!("t1", name)
      assert [%{"experiment_id" => ^other}] = Tracking.runs(tracking)
    end

    test "that has a run already, without asking for it" do
      %{server: server, tracking: tracking, experiment: experiment, name: name} = start()
      run_id = Tracking.add_run(tracking, experiment)
      create!(%{trial_id: "t1", status: :failed, mlflow_run_id: run_id}, name)
      assert %{"mlflow_run_id" => ^run_id, "creation" => "not_needed"} = push!("t1", name)
      assert [%{"status" => "FAILED"}] = Tracking.runs(tracking)
      refute "runs/create" in ScriptedServer.operations(server)
    end

    test "that does not exist is an error" do
      %{server: server, name: name} = start()
      assert_error(:not_found, Sync.trial_to_mlflow("nobody", name: name))
      assert ScriptedServer.requests(server) == []
    end

    test "and is recorded with what the run holds" do
      %{name: name} = start()

      trial =
        create!(
          %{trial_id: "t1", status: :succeeded, parameters: %{a: 1}, metrics: %{m: 2}},
          name
        )

      %{"mlflow_run_id" => run_id} = push!("t1", name)

      assert {:ok, record} = Runs.for_trial(trial.id, name: name)
      assert record.mlflow_run_id == run_id
      assert record.status == :finished
      assert record.params == %{"a" => "1"}
      assert record.metrics == %{"m" => 2.0}
      assert record.tags["thunderline_trial_id"] == "t1"
      assert record.sync_error == nil
      assert {:ok, %{mlflow_run_id: ^run_id}} = Trials.get("t1", name: name)
    end
  end

  describe "when things go wrong" do
    @tag :slow
    test "an answer to create that was lost leaves the claim, and the next attempt searches" do
      tracking = start_supervised!(Tracking)
      creations = :counters.new(1, [])

      # The first creation is acted upon, and its answer is lost.
      server =
        start_server(fn request ->
          answer = Tracking.act(tracking, request)
          if request.operation == "runs/create", do: :counters.add(creations, 1, 1)
          first? = :counters.get(creations, 1) == 1
          if request.operation == "runs/create" and first?, do: :close, else: answer
        end)

      experiment = Tracking.add_experiment(tracking, "trials")

      name =
        start_instance(
          tracking_uri: ScriptedServer.uri(server),
          experiment_id: experiment,
          total_timeout: 1_000
        )

      create!(%{trial_id: "t1", status: :succeeded, metrics: %{a: 1}}, name)

      assert_error(:connection_lost, Sync.trial_to_mlflow("t1", name: name))
      # The server did create it, and only its answer was lost.
      assert [%{"run_id" => run_id, "tags" => %{"thunderline_trial_id" => "t1"}}] =
               Tracking.runs(tracking)

      ScriptedServer.forget(server)

      # The claim is kept for as long as a request may be under way.
      report = eventually(fn -> retried(name) end, 30_000)

      assert report["creation"] == "adopted"
      assert report["mlflow_run_id"] == run_id
      refute "runs/create" in ScriptedServer.operations(server)
      assert hd(ScriptedServer.operations(server)) == "runs/search"
      assert [%{"status" => "FINISHED"} = run] = Tracking.runs(tracking)
      assert [{"a", 1.0, 0, _}] = points(run)
    end

    defp retried(name) do
      case Sync.trial_to_mlflow("t1", name: name) do
        {:ok, report} -> report
        {:error, %{kind: :conflict, retry_after: wait}} when is_integer(wait) -> nil
      end
    end

    test "a create that was refused gives the claim back" do
      refusal = ScriptedServer.error(403, "PERMISSION_DENIED", "not yours")
      counter = :counters.new(1, [])

      refuse_once = fn _ ->
        :counters.add(counter, 1, 1)
        if :counters.get(counter, 1) == 1, do: refusal, else: :pass
      end

      %{server: server, tracking: tracking, name: name} = start(%{"runs/create" => refuse_once})
      trial = create!(%{trial_id: "t1"}, name)
      assert_error(:forbidden, Sync.trial_to_mlflow("t1", name: name))
      assert {:ok, %{sync_error: %{"kind" => "forbidden"}}} = Runs.for_trial(trial.id, name: name)

      assert %{"creation" => "created"} = push!("t1", name)
      refute "runs/search" in ScriptedServer.operations(server)
      assert [_] = Tracking.runs(tracking)
      assert {:ok, %{sync_error: nil}} = Runs.for_trial(trial.id, name: name)
    end

    test "further runs with the trial's tag are reported and left alone" do
      %{tracking: tracking, experiment: experiment, name: name} = start()
      tags = %{"tags" => %{"thunderline_trial_id" => "t1"}}
      first = Tracking.add_run(tracking, experiment, tags)
      second = Tracking.add_run(tracking, experiment, tags)
      create!(%{trial_id: "t1", status: :succeeded}, name)

      # A claim whose holder is gone without saying whether it created the run.
      instance = instance!(name)
      {:ok, trial} = MLflow.Store.Embedded.fetch_trial(instance, "t1")

      claim = %{
        model_trial_id: trial.id,
        mlflow_experiment_id: experiment,
        model_run_id: nil,
        lease: -1
      }

      {:ok, {:fresh, _, _}} = MLflow.Native.store(instance.store, {:claim_run, claim})

      assert %{"creation" => "adopted", "mlflow_run_id" => ^first, "duplicates" => [^second]} =
               push!("t1", name)

      assert [%{"status" => "FINISHED"}, %{"status" => "RUNNING"}] = Tracking.runs(tracking)
    end

    test "data that failed to arrive arrives with the next attempt, and once" do
      counter = :counters.new(1, [])

      fail_once = fn _ ->
        :counters.add(counter, 1, 1)

        if :counters.get(counter, 1) == 1,
          do: ScriptedServer.error(500, "INTERNAL_ERROR"),
          else: :pass
      end

      %{server: server, tracking: tracking, name: name} = start(%{"runs/log-batch" => fail_once})
      create!(%{trial_id: "t1", status: :succeeded, metrics: %{a: 1}, parameters: %{b: 2}}, name)
      assert_error(:server, Sync.trial_to_mlflow("t1", name: name))
      # The status goes last: a run that says FINISHED has everything.
      assert [%{"status" => "RUNNING", "points" => []}] = Tracking.runs(tracking)
      refute "runs/update" in ScriptedServer.operations(server)

      assert %{"creation" => "not_needed"} = push!("t1", name)

      assert [%{"status" => "FINISHED", "params" => %{"b" => "2"}} = run] =
               Tracking.runs(tracking)

      assert [{"a", 1.0, 0, _}] = points(run)
    end

    test "a run that was deleted in MLflow is an error that says what to do" do
      %{tracking: tracking, name: name} = start()
      create!(%{trial_id: "t1", status: :running}, name)
      %{"mlflow_run_id" => run_id} = push!("t1", name)
      Tracking.change_run(tracking, run_id, &%{&1 | "lifecycle_stage" => "deleted"})

      error = assert_error(:not_found, Sync.mlflow_to_trial(run_id, name: name))
      assert error.message =~ "was deleted in MLflow"
    end

    test "unlinking a trial lets it get a new run, with everything in it" do
      %{tracking: tracking, name: name} = start()
      create!(%{trial_id: "t1", status: :succeeded, metrics: %{a: 1}, parameters: %{b: 2}}, name)
      %{"mlflow_run_id" => old} = push!("t1", name)
      Tracking.forget_run(tracking, old)

      assert :ok = Runs.unlink("t1", name: name)
      assert %{"creation" => "created", "mlflow_run_id" => new} = push!("t1", name)
      assert new != nil

      assert [%{"params" => %{"b" => "2"}, "status" => "FINISHED"} = run] =
               Tracking.runs(tracking)

      assert [{"a", 1.0, 0, _}] = points(run)
    end

    test "two syncs of one trial at the same moment make one run" do
      %{tracking: tracking, name: name} = start()
      create!(%{trial_id: "t1", status: :succeeded, metrics: %{a: 1}}, name)

      1..20
      |> Task.async_stream(fn _ -> Sync.trial_to_mlflow("t1", name: name) end, max_concurrency: 20)
      |> Enum.each(fn
        {:ok, {:ok, _}} -> :ok
        {:ok, {:error, error}} -> assert error.retryable
      end)

      assert [%{"tags" => %{"thunderline_trial_id" => "t1"}} = run] = Tracking.runs(tracking)
      assert [{"a", 1.0, 0, _}] = points(run)
    end

    test "a disabled instance sends nothing" do
      %{server: server, name: name} = start(%{}, enabled: false)
      create!(%{trial_id: "t1"}, name)
      assert_error(:disabled, Sync.trial_to_mlflow("t1", name: name))
      assert_error(:disabled, Sync.experiment("1", name: name))
      assert ScriptedServer.requests(server) == []
    end
  end

  describe "a run comes from MLflow" do
    test "foreign: as a record, with its series" do
      %{server: server, tracking: tracking, experiment: experiment, name: name} = start()

      run_id =
        Tracking.add_run(tracking, experiment, %{
          "status" => "FINISHED",
          "end_time" => @at,
          "params" => %{"lr" => "0.1"},
          "points" => [
            %{"key" => "a", "value" => 2.0, "step" => 2, "timestamp" => 1},
            %{"key" => "a", "value" => 1.0, "step" => 1, "timestamp" => 1}
          ]
        })

      assert {:ok, report} = Sync.mlflow_to_trial(run_id, name: name)
      assert %{"pulled" => 3, "pushed" => 0, "requests" => 2, "writes" => 0} = report
      assert ScriptedServer.operations(server) == ["runs/get", "metrics/get-history"]

      assert {:ok, record} = Runs.get(run_id, name: name)
      assert {record.status, record.end_time, record.model_trial_id} == {:finished, @at, nil}
      assert {record.params, record.metrics} == {%{"lr" => "0.1"}, %{"a" => 2.0}}
      assert {:ok, points} = Runs.history(run_id, :a, name: name)
      assert Enum.map(points, &{&1.step, &1.value}) == [{1, 1.0}, {2, 2.0}]

      assert {:ok, %{"pulled" => 0}} = Sync.mlflow_to_trial(run_id, name: name)
    end

    test "of a trial: what changed there is written here, and does not go back" do
      %{server: server, tracking: tracking, name: name} = start()
      create!(%{trial_id: "t1", status: :running, tags: %{team: "a", old: "x"}}, name)
      %{"mlflow_run_id" => run_id} = push!("t1", name)

      Tracking.change_run(tracking, run_id, fn run ->
        %{
          run
          | "run_name" => "renamed",
            "status" => "FAILED",
            "end_time" => @at,
            "params" => %{"added" => "1"},
            "tags" =>
              run["tags"] |> Map.delete("old") |> Map.merge(%{"team" => "b", "note" => "n"}),
            "points" => [
              %{"key" => "acc", "value" => 0.9, "step" => 7, "timestamp" => @at},
              %{"key" => "acc", "value" => 0.4, "step" => 3, "timestamp" => @at}
            ]
        }
      end)

      assert {:ok, %{"pulled" => pulled, "conflicts" => []}} =
               Sync.mlflow_to_trial(run_id, name: name)

      # Status and end, name, a param, two tags set and one deleted, and two points.
      assert pulled == 9

      assert {:ok, trial} = Trials.get("t1", name: name)
      assert {trial.name, trial.status} == {"renamed", :failed}
      assert DateTime.to_unix(trial.completed_at, :millisecond) == @at
      assert trial.parameters == %{"added" => "1"}
      assert %{"team" => "b", "note" => "n"} = trial.tags
      refute Map.has_key?(trial.tags, "old")
      assert trial.metrics == %{"acc" => 0.9}
      assert {:ok, points} = Trials.history("t1", :acc, name: name)

      assert Enum.map(points, &{&1.value, &1.step, &1.timestamp}) == [
               {0.4, 3, @at},
               {0.9, 7, @at}
             ]

      ScriptedServer.forget(server)
      assert %{"requests" => 0, "pushed" => 0} = push!("t1", name)
      assert {:ok, %{"pulled" => 0, "pushed" => 0}} = Sync.mlflow_to_trial(run_id, name: name)
      assert ScriptedServer.operations(server) == ["runs/get", "metrics/get-history"]
    end

    test "of a trial with points that MLflow has not got: they still go there" do
      %{tracking: tracking, name: name} = start()
      create!(%{trial_id: "t1", status: :running}, name)
      %{"mlflow_run_id" => run_id} = push!("t1", name)
      :ok = Trials.log_metrics("t1", [{:loss, 0.5, 1, @at}, {:loss, 0.4, 2, @at}], name: name)

      assert {:ok, %{"pushed" => 0}} = Sync.mlflow_to_trial(run_id, name: name)
      push!("t1", name)

      assert [run] = Tracking.runs(tracking)
      assert points(run) == [{"loss", 0.4, 2, @at}, {"loss", 0.5, 1, @at}]
    end

    test "of a trial that changed here meanwhile: it is still due" do
      %{tracking: tracking, name: name} = start()
      trial = create!(%{trial_id: "t1", status: :succeeded, tags: %{team: "a"}}, name)
      %{"mlflow_run_id" => run_id} = push!("t1", name)
      {:ok, _} = Trials.update("t1", %{tags: %{team: "b"}}, name: name)

      assert {:ok, _} = Sync.mlflow_to_trial(run_id, name: name)
      assert MLflow.Store.Embedded.due_trials(instance!(name), 10) == {:ok, [trial.id]}
      push!("t1", name)
      assert [%{"tags" => %{"team" => "b"}}] = Tracking.runs(tracking)
    end

    test "changed on both sides: the trial wins, and the conflict is reported" do
      %{tracking: tracking, name: name} = start()
      create!(%{trial_id: "t1", status: :running, tags: %{team: "a"}}, name)
      %{"mlflow_run_id" => run_id} = push!("t1", name)
      Tracking.change_run(tracking, run_id, &put_in(&1["tags"]["team"], "theirs"))
      {:ok, _} = Trials.update("t1", %{tags: %{team: "ours"}}, name: name)

      assert {:ok, %{"conflicts" => [conflict]}} = Sync.mlflow_to_trial(run_id, name: name)

      assert %{"field" => "tag", "key" => "team", "local" => "ours", "remote" => "theirs"} =
               conflict

      assert {:ok, %{tags: %{"team" => "ours"}}} = Trials.get("t1", name: name)
    end

    test "with a status that the server invented: the trial keeps its own" do
      %{tracking: tracking, name: name} = start()
      create!(%{trial_id: "t1", status: :running}, name)
      %{"mlflow_run_id" => run_id} = push!("t1", name)

      Tracking.change_run(tracking, run_id, fn run ->
        %{run | "status" => "PAUSED", "tags" => Map.put(run["tags"], "why", "maintenance")}
      end)

      assert {:ok, _} = Sync.mlflow_to_trial(run_id, name: name)
      assert {:ok, trial} = Trials.get("t1", name: name)
      assert {trial.status, trial.tags["why"]} == {:running, "maintenance"}
    end

    test "that our tag leads back to its trial is linked to it" do
      %{tracking: tracking, experiment: experiment, name: name} = start()
      trial = create!(%{trial_id: "t1", status: :running}, name)

      run_id =
        Tracking.add_run(tracking, experiment, %{
          "tags" => %{"thunderline_trial_id" => "t1", "by" => "hand"}
        })

      assert {:ok, _} = Sync.mlflow_to_trial(run_id, name: name)
      assert {:ok, %{mlflow_run_id: ^run_id}} = Runs.for_trial(trial.id, name: name)
      assert {:ok, %{tags: %{"by" => "hand"}}} = Trials.get("t1", name: name)
    end

    test "that MLflow has not got is an error" do
      %{name: name} = start()
      assert_error(:not_found, Sync.mlflow_to_trial(String.duplicate("f", 32), name: name))
    end
  end

  describe "create_run/3" do
    test "creates the run in the experiment named by id, by name or by record, once" do
      %{server: server, tracking: tracking, name: name} = start()
      other = Tracking.add_experiment(tracking, "other")
      create!(%{trial_id: "t1"}, name)
      create!(%{trial_id: "t2"}, name)

      assert {:ok, %{"creation" => "created"}} = Sync.create_run("t1", other, name: name)
      assert {:ok, %{"creation" => "created"}} = Sync.create_run("t2", "other", name: name)
      assert Enum.map(Tracking.runs(tracking), & &1["experiment_id"]) == [other, other]

      ScriptedServer.forget(server)

      assert {:ok, %{"creation" => "not_needed", "requests" => 0}} =
               Sync.create_run("t1", other, name: name)

      assert ScriptedServer.requests(server) == []
    end

    test "in an experiment that does not exist is an error, and the trial is free again" do
      %{tracking: tracking, name: name} = start()
      create!(%{trial_id: "t1"}, name)
      assert_error(:not_found, Sync.create_run("t1", "no such experiment", name: name))
      assert %{"creation" => "created"} = push!("t1", name)
      assert [_] = Tracking.runs(tracking)
    end
  end

  describe "the default experiment" do
    test "is created once, and then remembered" do
      {server, tracking} = start_tracking()
      name = start_instance(tracking_uri: ScriptedServer.uri(server), default_experiment: "mine")
      for n <- 1..3, do: create!(%{trial_id: "t#{n}"}, name)
      for n <- 1..3, do: push!("t#{n}", name)

      assert Enum.count(ScriptedServer.operations(server), &(&1 == "experiments/create")) == 1

      assert Enum.count(ScriptedServer.operations(server), &(&1 == "experiments/get-by-name")) ==
               1

      assert {:ok, id} = MLflow.default_experiment(name: name)
      assert Enum.all?(Tracking.runs(tracking), &(&1["experiment_id"] == id))
      assert {:ok, [%{name: "mine", mlflow_experiment_id: ^id}]} = Runs.experiments(name: name)
    end

    test "is found if it is there" do
      {server, tracking} = start_tracking()
      id = Tracking.add_experiment(tracking, "mine")
      name = start_instance(tracking_uri: ScriptedServer.uri(server), default_experiment: "mine")
      assert MLflow.default_experiment(name: name) == {:ok, id}
      assert ScriptedServer.operations(server) == ["experiments/get-by-name"]
    end

    test "that somebody else creates in the same moment is found" do
      counter = :counters.new(1, [])

      late = fn _ ->
        :counters.add(counter, 1, 1)

        if :counters.get(counter, 1) == 1,
          do: ScriptedServer.error(404, "RESOURCE_DOES_NOT_EXIST"),
          else: :pass
      end

      {server, tracking} = start_tracking(%{"experiments/get-by-name" => late})
      id = Tracking.add_experiment(tracking, "mine")
      name = start_instance(tracking_uri: ScriptedServer.uri(server), default_experiment: "mine")
      assert MLflow.default_experiment(name: name) == {:ok, id}
    end

    test "that is deleted is an error that says how to restore it" do
      deleted = %{"experiment_id" => "7", "name" => "mine", "lifecycle_stage" => "deleted"}

      {server, _} =
        start_tracking(%{"experiments/get-by-name" => {200, %{"experiment" => deleted}}})

      name = start_instance(tracking_uri: ScriptedServer.uri(server), default_experiment: "mine")
      error = assert_error(:invalid, MLflow.default_experiment(name: name))
      assert error.message =~ ~s[MLflow.Client.restore_experiment("7")]
      refute error.retryable
    end

    test "is asked for again after an error" do
      name = start_instance()
      assert_error(:connect, MLflow.default_experiment(name: name))
      assert_error(:connect, MLflow.default_experiment(name: name))
    end
  end

  test "ensure_experiment/2 records the experiment with its model run" do
    {server, _} = start_tracking()
    name = start_instance(tracking_uri: ScriptedServer.uri(server))

    assert {:ok, %{"experiment_id" => id}} =
             Sync.ensure_experiment("e", model_run_id: "m1", name: name)

    assert {:ok, %{"experiment_id" => ^id}} = Sync.ensure_experiment("e", name: name)
    assert {:ok, [%{name: "e", model_run_id: "m1"}]} = Runs.experiments(name: name)
  end
end
