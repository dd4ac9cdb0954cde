defmodule MLflow.SyncWorkerTest do
  use MLflow.Case, async: true

  alias MLflow.{SyncWorker, Trials}

  describe "job args" do
    test "are those that are queued already elsewhere" do
      name = start_instance()
      opts = [schedule_in: 3_600, name: name]

      for {{:ok, job}, action, args} <- [
            {SyncWorker.sync_trial_to_mlflow("t1", opts), "sync_trial_to_mlflow",
             %{"trial_id" => "t1"}},
            {SyncWorker.sync_mlflow_to_trial("r1", opts), "sync_mlflow_to_trial",
             %{"mlflow_run_id" => "r1"}},
            {SyncWorker.sync_experiment(7, opts), "sync_experiment", %{"experiment_id" => "7"}},
            {SyncWorker.create_run("t1", 7, opts), "create_run",
             %{"trial_id" => "t1", "experiment_id" => "7"}},
            {SyncWorker.ensure_experiment("e", opts), "ensure_experiment",
             %{"experiment_name" => "e", "model_run_id" => nil}},
            {SyncWorker.ensure_experiment("f", [model_run_id: "m"] ++ opts), "ensure_experiment",
             %{"experiment_name" => "f", "model_run_id" => "m"}}
          ] do
        assert {job.action, job.args} == {action, args}
      end
    end

    test "that are no ids are refused" do
      for id <- [nil, "", :t1, 1.5] do
        assert_raise ArgumentError, ~r/trial_id must be a non-empty string/, fn ->
          SyncWorker.sync_trial_to_mlflow(id)
        end

        assert_raise ArgumentError, fn -> SyncWorker.sync_trials_to_mlflow(["t1", id]) end
        assert_raise ArgumentError, fn -> SyncWorker.create_run("t1", id) end
      end
    end

    test "are refused by an instance that is switched off" do
      name = start_instance(enabled: false)
      assert_error(:disabled, SyncWorker.sync_trial_to_mlflow("t1", name: name))
      assert SyncWorker.jobs(name: name) == {:ok, []}
    end
  end

  describe "trials that are due" do
    test "are queued, as many as are asked for" do
      name = start_instance()
      for n <- 1..5, do: {:ok, _} = Trials.create(%{trial_id: "t#{n}"}, name: name)
      later = [schedule_in: 3_600, name: name]

      assert {:ok, three} = SyncWorker.sync_due_trials([limit: 3] ++ later)
      assert length(three) == 3
      assert {:ok, five} = SyncWorker.sync_due_trials(later)
      assert Enum.frequencies_by(five, & &1.conflict?) == %{true: 3, false: 2}
      assert Enum.all?(five, &(&1.action == "sync_trial_to_mlflow"))
    end

    test "are not looked for by an instance that is switched off" do
      name = start_instance(enabled: false)
      assert_error(:disabled, SyncWorker.sync_due_trials(name: name))
    end

    test "are queued by a job too, spread over half the interval" do
      name = start_instance(sync_interval: 600, auto_sync: false)
      for n <- 1..5, do: {:ok, _} = Trials.create(%{trial_id: "t#{n}"}, name: name)

      assert {:ok, %{"due" => 5, "queued" => 5}} =
               SyncWorker.run(instance!(name), %{"action" => "sync_due_trials"})

      {:ok, jobs} = SyncWorker.jobs(name: name)
      delays = Enum.map(jobs, &DateTime.diff(&1.scheduled_at, &1.inserted_at))

      for {delay, n} <- Enum.with_index(Enum.sort(delays)),
          do: assert(delay in (n * 60)..(n * 60 + 60))

      for wrong <- [%{"spread" => 1.5}, %{"spread" => -1}, %{"limit" => "many"}] do
        args = Map.put(wrong, "action", "sync_due_trials")
        assert {:cancel, %{kind: :invalid}} = SyncWorker.run(instance!(name), args)
      end
    end
  end

  describe "run/2" do
    setup do
      {server, tracking} = start_tracking()
      experiment = Tracking.add_experiment(tracking, "e")
      name = start_instance(tracking_uri: ScriptedServer.uri(server), experiment_id: experiment)
      {:ok, _} = Trials.create(%{trial_id: "t1", status: :succeeded}, name: name)
      %{name: name, instance: instance!(name), tracking: tracking, experiment: experiment}
    end

    test "runs each action", context do
      %{instance: instance, experiment: experiment, tracking: tracking} = context
      run = &SyncWorker.run(instance, &1)

      assert {:ok, %{"mlflow_run_id" => run_id}} =
               run.(%{"action" => "sync_trial_to_mlflow", "trial_id" => "t1"})

      assert {:ok, %{"mlflow_run_id" => ^run_id}} =
               run.(%{"action" => "sync_mlflow_to_trial", "mlflow_run_id" => run_id})

      assert {:ok, %{"runs" => 1}} =
               run.(%{"action" => "sync_experiment", "experiment_id" => experiment})

      assert {:ok, %{"mlflow_run_id" => ^run_id}} =
               run.(%{"action" => "create_run", "trial_id" => "t1", "experiment_id" => experiment})

      assert {:ok, %{"experiment_id" => id}} =
               run.(%{"action" => "ensure_experiment", "experiment_name" => "new"})

      assert id != experiment
      assert length(Tracking.runs(tracking)) == 1
    end

    test "cancels what it does not know", %{instance: instance} do
      for args <- [
            %{"action" => "paint_the_house"},
            %{"action" => "sync_trial_to_mlflow"},
            %{"action" => "create_run", "trial_id" => "t1"},
            %{"action" => nil}
          ] do
        assert {:cancel, %{kind: :invalid} = error} = SyncWorker.run(instance, args)
        assert error.message =~ "no such job: action #{inspect(args["action"])}"
      end
    end

    test "cancels args without an action too", %{instance: instance} do
      assert {:cancel, %{kind: :invalid}} = SyncWorker.run(instance, %{"trial_id" => "t1"})
    end

    test "never raises", %{instance: instance} do
      for args <- [
            %{"action" => "sync_trial_to_mlflow", "trial_id" => 5},
            %{"action" => "sync_mlflow_to_trial", "mlflow_run_id" => %{}},
            %{"action" => "sync_experiment", "experiment_id" => [1]}
          ] do
        assert {verdict, %MLflow.Error{}} = SyncWorker.run(instance, args)
        assert verdict in [:error, :cancel]
      end
    end
  end

  describe "verdicts" do
    for {status, headers, kind, verdict} <- [
          {503, [], :unavailable, :error},
          {500, [], :server, :error},
          {409, [], :conflict, :error},
          {429, [], :rate_limited, :error},
          {404, [], :not_mlflow, :error},
          {401, [], :unauthenticated, :cancel},
          {403, [], :forbidden, :cancel},
          {422, [], :invalid, :cancel},
          {429, [{"retry-after", "7"}], :rate_limited, {:snooze, 7}},
          {503, [{"retry-after", "1"}], :unavailable, {:snooze, 1}},
          {429, [{"retry-after", "0"}], :rate_limited, {:snooze, 1}}
        ] do
      test "#{status} #{inspect(headers)} is #{inspect(verdict)}" do
        response = {unquote(status), unquote(headers), "no"}
        server = start_server(fn _ -> response end)
        name = start_instance(tracking_uri: ScriptedServer.uri(server))

        args = %{
          "action" => "sync_mlflow_to_trial",
          "mlflow_run_id" => "0123456789abcdef0123456789abcdef"
        }

        {verdict, error} =
          case SyncWorker.run(instance!(name), args) do
            {:snooze, seconds, error} -> {{:snooze, seconds}, error}
            {verdict, error} -> {verdict, error}
          end

        assert {verdict, error.kind} == {unquote(Macro.escape(verdict)), unquote(kind)}
      end
    end

    test "a dead server is tried again" do
      name = start_instance()

      args = %{
        "action" => "sync_mlflow_to_trial",
        "mlflow_run_id" => "0123456789abcdef0123456789abcdef"
      }

      assert {:error, %{kind: :connect}} = SyncWorker.run(instance!(name), args)
    end

    test "a switched-off instance cancels" do
      name = start_instance(enabled: false)
      args = %{"action" => "sync_trial_to_mlflow", "trial_id" => "t1"}
      assert {:cancel, %{kind: :disabled}} = SyncWorker.run(instance!(name), args)
    end

    test "a trial that does not exist cancels" do
      name = start_instance()
      args = %{"action" => "sync_trial_to_mlflow", "trial_id" => "nobody"}
      assert {:cancel, %{kind: :not_found}} = SyncWorker.run(instance!(name), args)
    end
  end
end
