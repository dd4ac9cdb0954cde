if Code.ensure_loaded?(Oban) do
  # The worker that Thunderline's jobs name.
  defmodule Thunderline.Thunderbolt.MLflow.SyncWorker do
    use MLflow.SyncWorker
  end

  defmodule MLflow.SyncWorkerObanTest do
    use MLflow.ObanCase
    use Oban.Testing, repo: MLflow.TestRepo

    alias MLflow.{Error, SyncWorker, Trials}
    alias Oban.Job
    alias Thunderline.Thunderbolt.MLflow.SyncWorker, as: OldWorker

    @moduletag :oban
    @moduletag :postgres

    setup do
      MLflow.Postgres.clean!(["oban_jobs"])
    end

    defp run_id(n), do: n |> Integer.to_string() |> String.pad_leading(32, "0")

    defp pull_args(n, name),
      do: %{action: "sync_mlflow_to_trial", mlflow_run_id: run_id(n), instance: name}

    defp run(request) do
      info = %{"run_id" => request.query["run_id"], "experiment_id" => "1"}
      {200, %{"run" => %{"info" => info}}}
    end

    defp start(script, opts \\ []) do
      server = start_server(script)
      {name, oban} = start_oban_instance([tracking_uri: ScriptedServer.uri(server)] ++ opts)
      {server, name, oban}
    end

    # An instance with trials, beside a server that takes them.
    defp start_with_trials(count, opts) do
      {server, tracking} = start_tracking()
      experiment = Tracking.add_experiment(tracking, "e")
      uri = ScriptedServer.uri(server)
      {name, oban} = start_oban_instance([tracking_uri: uri, experiment_id: experiment] ++ opts)

      ids =
        for n <- 1..count//1 do
          {:ok, trial} = Trials.create(%{trial_id: "t#{n}", status: :succeeded}, name: name)
          trial.id
        end

      {name, oban, ids, tracking}
    end

    defp idle, do: [oban: [queues: []]]

    describe "what becomes of an attempt" do
      test "a report" do
        {name, _, [id | _], tracking} = start_with_trials(1, idle())
        args = %{action: "sync_trial_to_mlflow", trial_id: id, instance: name}
        assert {:ok, %{"creation" => "created"}} = perform_job(SyncWorker, args)
        assert [%{"status" => "FINISHED"}] = Tracking.runs(tracking)
      end

      test "by what the server answers" do
        for {response, expected} <- [
              {ScriptedServer.error(500, "INTERNAL_ERROR"), {:error, :server}},
              {ScriptedServer.error(404, "RESOURCE_DOES_NOT_EXIST"), {:cancel, :not_found}},
              {{429, [{"retry-after", "7"}], "no"}, {:snooze, 7}}
            ] do
          {_, name, _} = start([response], idle())

          answer =
            case perform_job(SyncWorker, pull_args(1, name)) do
              {verdict, %Error{kind: kind}} -> {verdict, kind}
              snooze -> snooze
            end

          assert answer == expected
        end
      end

      test "a switched-off instance cancels" do
        {name, _} = start_oban_instance(idle() ++ [enabled: false])
        assert {:cancel, %Error{kind: :disabled}} = perform_job(SyncWorker, pull_args(1, name))
      end

      test "args that are none cancel" do
        {name, _} = start_oban_instance(idle())
        assert {:cancel, %Error{kind: :invalid}} = perform_job(SyncWorker, %{instance: name})
      end

      test "ids may be the numbers that a host's keys are, and nothing else" do
        {name, _, [id], _} = start_with_trials(1, idle())
        {:ok, trial} = Trials.create(%{trial_id: "7", status: :succeeded}, name: name)

        run = fn args ->
          SyncWorker.perform(%Job{args: Map.put(args, "instance", inspect(name))})
        end

        assert {:ok, %{"creation" => "created"}} =
                 run.(%{"action" => "sync_trial_to_mlflow", "trial_id" => 7})

        assert {:ok, %{mlflow_run_id: run_id}} = Trials.get(trial.id, name: name)
        assert run_id != nil

        for wrong <- [nil, true, 1.5, %{"id" => id}, [id, %{}]] do
          assert {:cancel, %Error{kind: :invalid}} =
                   run.(%{"action" => "sync_trial_to_mlflow", "trial_id" => wrong})

          assert {:cancel, %Error{kind: :invalid}} =
                   run.(%{"action" => "sync_experiment", "experiment_id" => wrong})
        end

        changeset = SyncWorker.new(%{action: "sync_trial_to_mlflow", trial_id: 7})
        assert Ecto.Changeset.get_field(changeset, :args)["trial_id"] == "7"
      end

      test "an instance that a job of plain Oban names is found" do
        {_, name, _} = start([&run/1], idle())
        changeset = Job.new(pull_args(1, name), worker: SyncWorker)
        args = changeset |> Ecto.Changeset.get_field(:args) |> Jason.encode!() |> Jason.decode!()
        assert "Elixir." <> _ = args["instance"]
        assert {:ok, _} = SyncWorker.perform(%Job{args: args})
      end

      test "an instance that does not run is looked for again, and its name makes no atom" do
        name = "No.Such.Instance#{unique()}"
        assert {:error, error} = perform_job(SyncWorker, pull_args(1, name))
        assert %Error{kind: :config, retryable: true} = error
        assert error.message =~ "no MLflow instance named #{name} runs"
        assert_raise ArgumentError, fn -> String.to_existing_atom("Elixir." <> name) end

        assert {:error, %Error{kind: :config}} = perform_job(SyncWorker, pull_args(1, 5))
        # The default instance does not run in tests.
        assert {:error, %Error{kind: :config}} =
                 perform_job(SyncWorker, %{action: "sync_trial_to_mlflow", trial_id: "t"})
      end
    end

    describe "a queue" do
      test "keeps an error that people can read, without secrets, and tries again soon" do
        script = [ScriptedServer.error(503, "TEMPORARILY_UNAVAILABLE", "booting"), &run/1]
        {_, name, _} = start(script, token: "secret-token")
        {:ok, job} = SyncWorker.sync_mlflow_to_trial(run_id(1), name: name)

        waiting =
          eventually(fn ->
            with {:ok, [job]} <- SyncWorker.jobs(state: :retryable, name: name),
                 do: job,
                 else: (_ -> nil)
          end)

        assert [%{"attempt" => 1, "error" => text}] = waiting.errors
        assert text =~ "MLflow.SyncWorker failed with {:error, %MLflow.Error{kind: :unavailable"
        assert text =~ "booting"
        refute text =~ "secret-token"
        refute text =~ "nil"
        assert DateTime.diff(waiting.scheduled_at, waiting.attempted_at) in 0..3

        assert {:ok, %{state: "completed", attempt: 2}} = SyncWorker.await(job, name: name)
      end

      test "discards a job after its last attempt, with all its errors" do
        {server, name, _} = start(fn _ -> ScriptedServer.error(500, "INTERNAL_ERROR") end)
        {:ok, job} = SyncWorker.sync_mlflow_to_trial(run_id(1), max_attempts: 2, name: name)
        assert {:ok, %{state: "discarded"} = done} = SyncWorker.await(job, name: name)
        assert Enum.map(done.errors, & &1["attempt"]) == [1, 2]
        assert length(ScriptedServer.requests(server)) == 2
      end

      test "cancels at once what trying again cannot mend" do
        {server, name, _} = start([ScriptedServer.error(403, "PERMISSION_DENIED", "no")])
        {:ok, job} = SyncWorker.sync_mlflow_to_trial(run_id(1), name: name)
        assert {:ok, %{state: "cancelled"} = done} = SyncWorker.await(job, name: name)
        assert [%{"error" => text}] = done.errors
        assert text =~ "kind: :forbidden"
        assert length(ScriptedServer.requests(server)) == 1
      end

      test "snoozes what asks to wait, and no attempt counts" do
        busy = {429, [{"retry-after", "1"}], "slow down"}
        {_, name, _} = start([busy, busy, &run/1])
        {:ok, job} = SyncWorker.sync_mlflow_to_trial(run_id(1), max_attempts: 1, name: name)
        assert {:ok, %{state: "completed", errors: []}} = SyncWorker.await(job, name: name)
      end

      test "runs the jobs that another worker's name was given" do
        {server, tracking} = start_tracking()
        experiment = Tracking.add_experiment(tracking, "e")
        oban = start_oban()

        name =
          start_instance(
            name: MLflow,
            environment: false,
            tracking_uri: ScriptedServer.uri(server),
            experiment_id: experiment,
            queue: {MLflow.Queue.Oban, oban: oban, worker: OldWorker}
          )

        {:ok, trial} = Trials.create(%{trial_id: "t1", status: :succeeded}, name: name)

        # A row as Thunderline's worker left it.
        {1, [%{id: id}]} =
          MLflow.TestRepo.insert_all(
            "oban_jobs",
            [
              %{
                worker: "Thunderline.Thunderbolt.MLflow.SyncWorker",
                queue: "mlflow_sync",
                args: %{"action" => "sync_trial_to_mlflow", "trial_id" => trial.id},
                priority: 2,
                max_attempts: 5
              }
            ],
            returning: [:id]
          )

        assert {:ok, %{state: "completed"}} = SyncWorker.await(%Job{id: id}, name: name)
        assert [%{"status" => "FINISHED"}] = Tracking.runs(tracking)
        assert {:ok, [%Job{id: ^id}]} = SyncWorker.jobs(name: name)

        {:ok, job} = SyncWorker.sync_trial_to_mlflow(trial.id, schedule_in: 60, name: name)
        assert job.worker == "Thunderline.Thunderbolt.MLflow.SyncWorker"
        {:ok, again} = OldWorker.new(job.args) |> then(&Oban.insert(oban, &1))
        assert {again.id, again.conflict?} == {job.id, true}
      end

      test "tells Oban's listeners and ours what a job is about, and its report" do
        {_, name, _} = start(&run/1)
        id = {self(), make_ref()}
        events = [[:oban, :job, :stop], [:mlflow, :job, :stop]]
        :telemetry.attach_many(id, events, &__MODULE__.tell/4, id)
        on_exit(fn -> :telemetry.detach(id) end)

        {:ok, %{id: job_id}} = SyncWorker.sync_mlflow_to_trial(run_id(1), name: name)

        assert_receive {^id, [:oban, :job, :stop], %{job: %{id: ^job_id} = job} = metadata}
        assert {:ok, %{"mlflow_run_id" => _}} = metadata.result
        assert job.tags == ["mlflow", "sync_mlflow_to_trial"]
        assert job.meta["mlflow"] == %{"instance" => inspect(name), "target" => run_id(1)}

        assert_receive {^id, [:mlflow, :job, :stop], %{job: %{id: ^job_id}} = metadata}
        assert %{name: ^name, result: :ok} = metadata
      end

      def tell(event, _measurements, metadata, {test, _} = id),
        do: send(test, {id, event, metadata})
    end

    describe "a worker" do
      test "waits longer from failure to failure, whatever was snoozed between" do
        error = %{"attempt" => 1, "at" => "", "error" => ""}

        for {errors, delays} <- [{0, 1..2}, {1, 2..4}, {4, 16..32}, {20, 300..600}] do
          job = %Job{attempt: 50, max_attempts: 60, errors: List.duplicate(error, errors)}
          for _ <- 1..50, do: assert(SyncWorker.backoff(job) in delays)
          assert OldWorker.backoff(job) in delays
        end
      end

      test "gives an experiment longer than a trial" do
        assert SyncWorker.timeout(%Job{args: %{"action" => "sync_experiment"}}) == 3_600_000
        assert OldWorker.timeout(%Job{args: %{"action" => "create_run"}}) == 600_000
      end

      test "of a host's own takes Oban's options, and callbacks of its own" do
        defmodule OwnWorker do
          use MLflow.SyncWorker, queue: :own, max_attempts: 9

          @impl Oban.Worker
          def timeout(_job), do: 5
        end

        changeset =
          OwnWorker.new(%{action: "create_run", trial_id: "t", instance: A.B}, tags: ["x"])

        job = Ecto.Changeset.apply_action!(changeset, :insert)
        assert %Job{queue: "own", max_attempts: 9, priority: 2} = job
        assert job.tags == ["mlflow", "create_run", "x"]
        assert %{"trial_id" => "t", "instance" => "A.B"} = job.args
        assert OwnWorker.timeout(job) == 5
      end

      test "names an instance in one way, and the default one not at all" do
        args = &Ecto.Changeset.get_field(SyncWorker.new(&1), :args)
        named = %{"action" => "create_run", "instance" => "A.B"}

        for name <- [A.B, "A.B", "Elixir.A.B"],
            do: assert(args.(%{named | "instance" => name}) == named)

        assert args.(%{action: "create_run", instance: A.B}) == named

        for name <- [nil, MLflow, "MLflow"],
            do:
              assert(
                args.(%{action: "create_run", instance: name}) == %{"action" => "create_run"}
              )
      end
    end

    describe "the functions of a worker of a host's own" do
      test "queue jobs of its own" do
        {name, _} = start_oban_instance(idle())

        for {{:ok, job}, action} <- [
              {OldWorker.sync_trial_to_mlflow("t", name: name), "sync_trial_to_mlflow"},
              {OldWorker.sync_mlflow_to_trial("r", name: name), "sync_mlflow_to_trial"},
              {OldWorker.sync_experiment("e", schedule_in: 60, name: name), "sync_experiment"},
              {OldWorker.create_run("t", "e", name: name), "create_run"}
            ] do
          assert {job.worker, job.args["action"]} == {inspect(OldWorker), action}
          assert_enqueued(worker: OldWorker, args: %{action: action})
        end

        embedded = start_instance()
        assert {:ok, %MLflow.Job{}} = OldWorker.sync_trial_to_mlflow("t", name: embedded)
      end
    end

    describe "trials that are due" do
      test "are queued spread over the time, once" do
        {name, _, ids, _} = start_with_trials(30, idle() ++ [sync_interval: 0])
        args = %{action: "sync_due_trials", instance: inspect(name)}
        assert {:ok, %{"due" => 30, "queued" => 30}} = perform_job(SyncWorker, args)

        jobs = all_enqueued(worker: SyncWorker)
        assert jobs |> Enum.map(& &1.args["trial_id"]) |> Enum.sort() == Enum.sort(ids)
        times = jobs |> Enum.map(&DateTime.diff(&1.scheduled_at, &1.inserted_at)) |> Enum.sort()
        # 150 s where no interval is set, 5 s for each of the 30.
        for {seconds, n} <- Enum.with_index(times),
            do: assert(seconds in (n * 5 - 1)..(n * 5 + 5))

        # Another round, and other times, add none.
        assert {:ok, %{"due" => 30, "queued" => 0}} =
                 perform_job(SyncWorker, Map.put(args, :spread, 10))

        assert length(all_enqueued(worker: SyncWorker)) == 30
      end

      test "are spread over half the interval, or what the crontab says" do
        {name, _, _, _} = start_with_trials(10, idle() ++ [sync_interval: 600])

        last = fn ->
          [job | _] = all_enqueued(worker: SyncWorker)
          DateTime.diff(job.scheduled_at, job.inserted_at)
        end

        args = %{action: "sync_due_trials", instance: name, limit: 9}
        assert {:ok, %{"due" => 9}} = perform_job(SyncWorker, args)
        assert last.() in 265..300
        MLflow.Postgres.clean!(["oban_jobs"])

        assert {:ok, %{"due" => 10}} =
                 perform_job(SyncWorker, %{action: "sync_due_trials", instance: name, spread: 0})

        assert last.() == 0

        for wrong <- [%{spread: -1}, %{spread: "60"}, %{limit: 0}] do
          args = Map.merge(%{action: "sync_due_trials", instance: name}, wrong)
          assert {:cancel, %Error{kind: :invalid}} = perform_job(SyncWorker, args)
        end
      end

      test "are looked for by a line of a crontab" do
        {name, oban, _, tracking} = start_with_trials(3, oban: [queues: []])
        args = %{action: "sync_due_trials", instance: inspect(name), spread: 0}
        stop_supervised!(oban)

        start_oban(
          name: oban,
          peer: Oban.Peers.Isolated,
          plugins: [{Oban.Plugins.Cron, crontab: [{"* * * * *", SyncWorker, args: args}]}]
        )

        plugin = Oban.Registry.whereis(oban, {:plugin, Oban.Plugins.Cron})
        send(plugin, :evaluate)
        eventually(fn -> length(Tracking.runs(tracking)) == 3 end)
        assert :ok = SyncWorker.drain(name: name)
        assert {:ok, [job | _]} = SyncWorker.jobs(action: "sync_due_trials", name: name)
        assert %{"cron" => true, "mlflow" => %{"instance" => _}} = job.meta
      end
    end

    describe "Oban.Testing" do
      test "asserts what is enqueued, and drains it" do
        {name, oban, [id, other], tracking} = start_with_trials(2, oban: [testing: :manual])
        {:ok, _} = SyncWorker.sync_trial_to_mlflow(id, name: name)

        assert_enqueued(worker: SyncWorker, args: %{trial_id: id}, queue: :mlflow_sync)
        refute_enqueued(worker: SyncWorker, args: %{trial_id: other})

        assert %{success: 1, failure: 0} = Oban.drain_queue(oban, queue: :mlflow_sync)
        assert length(Tracking.runs(tracking)) == 1
        assert {:ok, [%{state: "completed"}]} = SyncWorker.jobs(name: name)
      end

      test "runs jobs as they come" do
        {name, _, [id | ids], tracking} = start_with_trials(4, oban: [testing: :inline])

        assert {:ok, %Job{state: "completed"} = job} =
                 SyncWorker.sync_trial_to_mlflow(id, name: name)

        assert SyncWorker.await(job, name: name) == {:ok, job}
        assert {:ok, jobs} = SyncWorker.sync_trials_to_mlflow(ids ++ ids, name: name)
        assert Enum.map(jobs, & &1.state) |> Enum.uniq() == ["completed"]
        assert length(Tracking.runs(tracking)) == 4
        assert all_enqueued() == []
      end
    end
  end
end
