if Code.ensure_loaded?(Oban) do
  defmodule MLflow.Queue.ObanTest do
    use MLflow.ObanCase

    import Ecto.Query, only: [from: 2]

    alias Ecto.Multi
    alias MLflow.{SyncWorker, Trials}
    alias Oban.Job

    @moduletag :oban
    @moduletag :postgres

    setup do
      MLflow.Postgres.clean!(["oban_jobs", "cerebros_model_runs"])
    end

    defp run_id(n), do: n |> Integer.to_string() |> String.pad_leading(32, "0")

    defp run(request) do
      info = %{"run_id" => request.query["run_id"], "experiment_id" => "1"}
      {200, %{"run" => %{"info" => info}}}
    end

    # Jobs that pull a run ask the server for that run first, and so the script decides what becomes
    # of each job.
    defp start(script, opts \\ []) do
      server = start_server(script)
      {name, oban} = start_oban_instance([tracking_uri: ScriptedServer.uri(server)] ++ opts)
      {server, name, oban}
    end

    # Nothing runs: what is queued stays.
    defp start_idle(opts \\ []), do: start_oban_instance([oban: [queues: []]] ++ opts)

    defp pull!(n, opts) do
      {:ok, job} = SyncWorker.sync_mlflow_to_trial(run_id(n), opts)
      job
    end

    defp row(job), do: TestRepo.get!(Job, job.id)

    # The statements of `fun`, begin and commit among them.
    defp statements(fun) do
      test = self()
      id = {test, make_ref()}

      event = TestRepo.config()[:telemetry_prefix] ++ [:query]
      :telemetry.attach(id, event, &__MODULE__.pass_on/4, id)

      result = fun.()
      :telemetry.detach(id)
      {result, received(id)}
    end

    def pass_on(_event, _measurements, metadata, {test, _} = id),
      do: if(self() == test, do: send(test, {id, metadata.query}))

    defp received(id) do
      receive do
        {^id, query} -> [query | received(id)]
      after
        0 -> []
      end
    end

    describe "options" do
      test "that make no sense are errors of the start" do
        for {options, message} <- [
              {[obn: Oban], "unknown option :obn for MLflow.Queue.Oban; did you mean :oban?"},
              {[quue: :a], "did you mean :queue?"},
              {[queue: 5],
               "option :queue of MLflow.Queue.Oban must be the name of a queue, got 5"},
              {[queue: ""], "must be the name of a queue"},
              {[oban: nil], "must be the name of an Oban instance"},
              {[worker: String], "must be a module with `use MLflow.SyncWorker`"}
            ] do
          opts = instance_options(queue: {MLflow.Queue.Oban, options})
          error = assert_error(:config, MLflow.start_link(opts))
          assert Exception.message(error) =~ message
        end
      end

      test "may be left out" do
        name = start_instance(queue: MLflow.Queue.Oban)
        start_oban(name: Oban, queues: [])
        assert {:ok, job} = SyncWorker.sync_trial_to_mlflow("t1", name: name)
        assert %Job{queue: "mlflow_sync"} = row(job)
      end

      test "name the queue" do
        {name, _} = start_idle(queue_options: [queue: "tracking"])
        assert %Job{queue: "tracking"} = row(pull!(1, name: name))
        assert %Job{queue: "other"} = row(pull!(2, queue: :other, name: name))
      end

      test "an Oban that is not running is an error of the call" do
        name = start_instance(queue: {MLflow.Queue.Oban, oban: MyApp.NoOban})
        error = assert_error(:config, SyncWorker.sync_trial_to_mlflow("t1", name: name))
        assert error.message =~ "no Oban named MyApp.NoOban is running"
        assert error.retryable
        assert_error(:config, SyncWorker.jobs(name: name))
        assert_error(:config, SyncWorker.drain(name: name))
        assert_error(:config, SyncWorker.await(%Job{id: 1}, name: name))
      end
    end

    describe "a job" do
      test "is Oban's, with what it is about" do
        {name, _} = start_idle()
        assert {:ok, job} = SyncWorker.sync_trial_to_mlflow("t1", name: name)

        assert %Job{
                 state: "available",
                 queue: "mlflow_sync",
                 worker: "MLflow.SyncWorker",
                 priority: 2,
                 max_attempts: 5,
                 tags: ["mlflow", "sync_trial_to_mlflow"],
                 conflict?: false
               } = job

        assert job.args == %{
                 "action" => "sync_trial_to_mlflow",
                 "trial_id" => "t1",
                 "instance" => inspect(name)
               }

        assert job.meta == %{"mlflow" => %{"instance" => inspect(name), "target" => "t1"}}
        assert row(job).args == job.args
      end

      test "has the args that are queued already elsewhere" do
        start_default(queues: [])
        run = run_id(1)

        for {{:ok, job}, args} <- [
              {SyncWorker.sync_trial_to_mlflow("t1"),
               %{"action" => "sync_trial_to_mlflow", "trial_id" => "t1"}},
              {SyncWorker.sync_mlflow_to_trial(run),
               %{"action" => "sync_mlflow_to_trial", "mlflow_run_id" => run}},
              {SyncWorker.sync_experiment(7),
               %{"action" => "sync_experiment", "experiment_id" => "7"}},
              {SyncWorker.create_run("t1", 7),
               %{"action" => "create_run", "trial_id" => "t1", "experiment_id" => "7"}},
              {SyncWorker.ensure_experiment("e"),
               %{"action" => "ensure_experiment", "experiment_name" => "e"}},
              {SyncWorker.ensure_experiment("e", model_run_id: "m"),
               %{"action" => "ensure_experiment", "experiment_name" => "e", "model_run_id" => "m"}}
            ] do
          assert row(job).args == args
        end
      end

      test "takes every option of Oban's" do
        {name, _} = start_idle(max_attempts: 3)
        at = DateTime.add(DateTime.utc_now(), 3_600)

        assert %Job{max_attempts: 3} = pull!(1, name: name)

        job =
          pull!(2,
            priority: 9,
            max_attempts: 7,
            scheduled_at: at,
            tags: ["nightly"],
            meta: %{who: "me"},
            name: name
          )

        assert %Job{priority: 9, max_attempts: 7, state: "scheduled", scheduled_at: ^at} =
                 row(job)

        assert row(job).tags == ["mlflow", "sync_mlflow_to_trial", "nightly"]
        assert %{"who" => "me", "mlflow" => %{"target" => _}} = row(job).meta

        for {schedule, seconds} <- [{60, 60}, {{5, :minutes}, 300}] do
          job = pull!(seconds, schedule_in: schedule, name: name)
          assert DateTime.diff(job.scheduled_at, DateTime.utc_now()) in (seconds - 5)..seconds
        end

        one = pull!(3, schedule_in: 60, name: name)
        two = pull!(3, schedule_in: 600, replace: [scheduled: [:scheduled_at]], name: name)
        assert {two.id, two.conflict?} == {one.id, true}
        assert DateTime.diff(row(one).scheduled_at, DateTime.utc_now()) > 500
      end

      test "that makes no sense is refused" do
        {name, _} = start_idle()

        for {opts, message} <- [
              {[priority: 10], ~r/:priority must be less than 10, got 10/},
              {[max_attempts: 0], ~r/:max_attempts must be greater than 0, got 0/},
              {[scheduled_at: "tomorrow"], ~r/:scheduled_at is invalid/},
              {[schedule_in: 1.5], ~r/:schedule_in invalid value, got 1.5/},
              {[prioritty: 1], ~r/unknown option :prioritty.*did you mean :priority/},
              {[spread: 1.5], ~r/:spread must be whole seconds/}
            ] do
          assert_raise ArgumentError, message, fn -> pull!(1, [name: name] ++ opts) end
        end

        for id <- ["a\0b", <<255>>] do
          error = assert_error(:invalid, SyncWorker.sync_trial_to_mlflow(id, name: name))
          assert error.message =~ "hold what is no text"
          assert_error(:invalid, SyncWorker.sync_trials_to_mlflow(["t1", id], name: name))
        end

        assert SyncWorker.jobs(name: name) == {:ok, []}
      end

      test "is refused by an instance that is switched off" do
        {name, _} = start_idle(enabled: false)
        assert_error(:disabled, SyncWorker.sync_trial_to_mlflow("t1", name: name))
      end

      test "of a database that fails is an error" do
        {name, _} = start_idle()
        TestRepo.query!("ALTER TABLE oban_jobs RENAME TO hidden")
        on_exit(fn -> TestRepo.query!("ALTER TABLE IF EXISTS hidden RENAME TO oban_jobs") end)
        # At once, and not tried again and again behind the caller's back.
        assert_error(:store, SyncWorker.sync_trials_to_mlflow(["t1", "t2"], name: name))
        error = assert_error(:store, SyncWorker.jobs(name: name))
        assert error.message =~ "oban_jobs"
        assert error.retryable
      after
        TestRepo.query!("ALTER TABLE IF EXISTS hidden RENAME TO oban_jobs")
      end
    end

    describe "uniqueness" do
      test "an equal job is not added while one waits" do
        test = self()
        {_, name, _} = start(fn _ -> {:hold, test} end, oban: [queues: [mlflow_sync: 1]])
        pull!(1, name: name)
        assert_receive {:held, c1, r1}

        waiting = pull!(2, name: name)
        refute waiting.conflict?
        again = pull!(2, name: name)
        assert {again.id, again.conflict?} == {waiting.id, true}
        refute pull!(2, unique: false, name: name).conflict?

        # The first runs already, and may have read before what the new job is for changed.
        behind = pull!(1, name: name)
        refute behind.conflict?
        send(c1, {:answer, run(r1)})

        for _ <- 1..3 do
          assert_receive {:held, c, r}
          send(c, {:answer, run(r)})
        end

        assert :ok = SyncWorker.drain(name: name)
      end

      test "one that failed or was asked to wait still waits" do
        {name, _} = start_idle()

        for state <- ~w(scheduled retryable) do
          job = pull!(1, name: name)
          TestRepo.update_all(Job, set: [state: state, attempt: 1])
          assert pull!(1, name: name).id == job.id
        end

        for state <- ~w(executing completed cancelled discarded) do
          job = pull!(1, name: name)
          TestRepo.update_all(Job, set: [state: state])
          refute pull!(1, name: name).id == job.id
        end
      end

      test "a scheduled job that is asked for sooner comes sooner, and never later" do
        {_, name, _} = start(&run/1)
        later = pull!(1, schedule_in: 3_600, name: name)
        assert later.state == "scheduled"

        at = row(later).scheduled_at
        assert pull!(1, schedule_in: 7_200, name: name).id == later.id
        assert row(later).scheduled_at == at

        now = pull!(1, name: name)
        assert {now.id, now.conflict?} == {later.id, true}
        assert {:ok, %{state: "completed"}} = SyncWorker.await(later, name: name)
      end

      test "holds for one action, target and instance" do
        {one, _} = start_idle()
        {two, _} = start_idle()
        start_default(queues: [])

        jobs =
          for name <- [one, two, MLflow],
              {:ok, job} <- [
                SyncWorker.sync_trial_to_mlflow("t1", name: name),
                SyncWorker.sync_trial_to_mlflow("t2", name: name),
                SyncWorker.create_run("t1", "7", name: name)
              ],
              do: job

        refute Enum.any?(jobs, & &1.conflict?)

        for name <- [MLflow, one, two] do
          assert {:ok, list} = SyncWorker.jobs(name: name)
          assert length(list) == 3
          {:ok, again} = SyncWorker.sync_trials_to_mlflow(["t1", "t2", "t3"], name: name)
          assert Enum.map(again, & &1.conflict?) == [true, true, false]
        end
      end
    end

    describe "transactions" do
      test "a job commits with them, and is gone with them" do
        {name, _} = start_idle()

        trial = fn id, fun ->
          TestRepo.transaction(fn ->
            TestRepo.query!("INSERT INTO cerebros_model_runs (run_id) VALUES ($1)", [id])
            {:ok, _} = SyncWorker.sync_trial_to_mlflow(id, name: name)
            {:ok, _} = SyncWorker.sync_trials_to_mlflow([id <> "a", id <> "b"], name: name)
            fun.()
          end)
        end

        assert {:error, :changed_my_mind} =
                 trial.("t1", fn -> TestRepo.rollback(:changed_my_mind) end)

        assert SyncWorker.jobs(name: name) == {:ok, []}
        assert TestRepo.query!("SELECT * FROM cerebros_model_runs").num_rows == 0

        assert {:ok, :done} = trial.("t2", fn -> :done end)
        assert {:ok, jobs} = SyncWorker.jobs(name: name)
        assert Enum.map(jobs, & &1.args["trial_id"]) |> Enum.sort() == ["t2", "t2a", "t2b"]
        assert TestRepo.query!("SELECT * FROM cerebros_model_runs").num_rows == 1
      end

      test "a Multi takes a changeset, and a function of its changes" do
        {name, oban} = start_idle(max_attempts: 4, queue_options: [queue: :tracking])

        multi = fn last ->
          Multi.new()
          |> Multi.run(:trial, fn _repo, _ -> {:ok, %{id: "t7"}} end)
          |> then(
            &Oban.insert(oban, &1, :sync, fn %{trial: trial} ->
              SyncWorker.new_job(:sync_trial_to_mlflow, trial.id, name: name, schedule_in: 60)
            end)
          )
          |> then(
            &Oban.insert(oban, &1, :run, SyncWorker.new_job(:create_run, {"t7", 1}, name: name))
          )
          |> Multi.run(:last, fn _repo, _ -> last end)
          |> TestRepo.transaction()
        end

        assert {:error, :last, :no, _} = multi.({:error, :no})
        assert SyncWorker.jobs(name: name) == {:ok, []}

        assert {:ok, %{sync: sync, run: run}} = multi.({:ok, 1})
        assert %Job{max_attempts: 4, queue: "tracking", state: "scheduled"} = sync
        assert run.args["experiment_id"] == "1"
        assert {:ok, [^run, ^sync]} = with_ids(SyncWorker.jobs(name: name), [run, sync])
        assert {:ok, %{sync: %{conflict?: true}}} = multi.({:ok, 1})
      end

      test "one that is rolled back already is an error of the call" do
        {name, _} = start_idle()

        for enqueue <- [
              fn -> SyncWorker.sync_trial_to_mlflow("t1", name: name) end,
              fn -> SyncWorker.sync_trials_to_mlflow(["t1", "t2"], name: name) end
            ] do
          TestRepo.transaction(fn ->
            TestRepo.transaction(fn -> TestRepo.rollback(:within) end)
            assert_error(:store, enqueue.())
          end)
        end

        assert SyncWorker.jobs(name: name) == {:ok, []}
      end

      test "a changeset needs no instance, and says what is wrong" do
        changeset = SyncWorker.new_job(:ensure_experiment, "e", model_run_id: "m", name: No.One)
        assert changeset.valid?

        assert changeset.changes.args == %{
                 "action" => "ensure_experiment",
                 "experiment_name" => "e",
                 "model_run_id" => "m",
                 "instance" => "No.One"
               }

        assert_raise ArgumentError, ~r/did you mean :sync_trial_to_mlflow\?/, fn ->
          SyncWorker.new_job(:sync_trial, "t1")
        end

        assert_raise ArgumentError, ~r/{trial_id, experiment_id}/, fn ->
          SyncWorker.new_job(:create_run, "t1")
        end

        for id <- ["a\0b", <<255>>] do
          assert_raise ArgumentError, ~r/hold what is no text/, fn ->
            SyncWorker.new_job(:ensure_experiment, id)
          end
        end
      end

      defp with_ids({:ok, jobs}, [a, b]) do
        assert Enum.map(jobs, & &1.id) == [max(a.id, b.id), min(a.id, b.id)]
        {:ok, [a, b]}
      end
    end

    describe "many jobs" do
      test "are added once, in their order" do
        {name, _} = start_idle()
        {:ok, waiting} = SyncWorker.sync_trial_to_mlflow("t3", name: name)

        ids = for n <- 1..100, do: "t#{rem(n, 50)}"
        assert {:ok, jobs} = SyncWorker.sync_trials_to_mlflow(ids, name: name)
        assert Enum.map(jobs, & &1.args["trial_id"]) == ids
        assert Enum.count(jobs, & &1.conflict?) == 51
        assert jobs |> Enum.map(& &1.id) |> Enum.uniq() |> length() == 50
        assert Enum.find(jobs, &(&1.args["trial_id"] == "t3")).id == waiting.id
        assert {:ok, rows} = SyncWorker.jobs(name: name)
        assert length(rows) == 50
        assert Enum.all?(rows, &(&1.tags == ["mlflow", "sync_trial_to_mlflow"]))

        assert {:ok, [%{conflict?: false}, %{conflict?: false}]} =
                 SyncWorker.sync_trials_to_mlflow(["t1", "t1"], unique: false, name: name)

        assert SyncWorker.sync_trials_to_mlflow([], name: name) == {:ok, []}
      end

      test "move those that wait for later to their time" do
        {name, _} = start_idle()
        {:ok, later} = SyncWorker.sync_trial_to_mlflow("t1", schedule_in: 3_600, name: name)
        {:ok, sooner} = SyncWorker.sync_trial_to_mlflow("t2", schedule_in: 10, name: name)
        at = row(sooner).scheduled_at

        ids = ["t1", "t2", "t3"]
        {:ok, jobs} = SyncWorker.sync_trials_to_mlflow(ids, schedule_in: 60, name: name)
        assert Enum.map(jobs, & &1.conflict?) == [true, true, false]
        assert DateTime.diff(row(later).scheduled_at, DateTime.utc_now()) in 50..60
        assert row(sooner).scheduled_at == at
      end

      test "begin spread over the time they are given" do
        {name, _} = start_idle()
        now = DateTime.utc_now()
        ids = for n <- 1..60, do: "t#{n}"
        {:ok, jobs} = SyncWorker.sync_trials_to_mlflow(ids, spread: 600, name: name)

        for {job, n} <- Enum.with_index(jobs) do
          assert job.state == "scheduled"

          assert DateTime.diff(job.scheduled_at, now, :millisecond) in (n * 10_000)..(n * 10_000 +
                                                                                        12_000)
        end

        {:ok, [job]} =
          SyncWorker.sync_trials_to_mlflow(["x"], spread: 10, schedule_in: 100, name: name)

        assert DateTime.diff(job.scheduled_at, now) in 100..112
      end

      test "take a query and an insert for each thousand" do
        {name, _} = start_idle()
        ids = for n <- 1..2_500, do: "t#{n}"
        enqueue = fn -> SyncWorker.sync_trials_to_mlflow(ids, name: name) end

        {{:ok, jobs}, first} = statements(enqueue)
        assert Enum.map(jobs, & &1.args["trial_id"]) == ids
        refute Enum.any?(jobs, & &1.conflict?)

        # Oban tells its queues of each insert.
        assert kinds(first) ==
                 %{"INSERT" => 3, "SELECT" => 3, "notify" => 3, "begin" => 1, "commit" => 1}

        {{:ok, again}, second} = statements(enqueue)
        assert Enum.all?(again, & &1.conflict?)
        assert Enum.map(again, & &1.id) == Enum.map(jobs, & &1.id)
        assert kinds(second) == %{"SELECT" => 3, "begin" => 1, "commit" => 1}
        assert TestRepo.aggregate(Job, :count) == 2_500
      end

      defp kinds(statements) do
        Enum.frequencies_by(statements, fn statement ->
          if statement =~ "pg_notify",
            do: "notify",
            else: statement |> String.split(" ", parts: 2) |> hd()
        end)
      end
    end

    describe "await, jobs, cancel, retry and drain" do
      test "a job runs, and is waited for" do
        {server, name, _} = start(&run/1)
        job = pull!(1, name: name)
        assert {:ok, %Job{state: "completed"} = done} = SyncWorker.await(job, name: name)
        assert {done.id, done.attempt, done.errors} == {job.id, 1, []}
        assert length(ScriptedServer.requests(server)) == 1
        assert {:ok, %{mlflow_experiment_id: "1"}} = MLflow.Runs.get(run_id(1), name: name)
        assert {:ok, %{state: "completed"}} = SyncWorker.await(job, timeout: 0, name: name)
      end

      test "await and drain give up at their timeout, and the job goes on" do
        test = self()
        {_, name, _} = start(fn _ -> {:hold, test} end)
        job = pull!(1, name: name)
        assert_receive {:held, connection, request}

        error = assert_error(:timeout, SyncWorker.await(job, timeout: 50, name: name))
        assert error.message =~ "job #{job.id} is not finished"
        error = assert_error(:timeout, SyncWorker.drain(timeout: 50, name: name))
        assert error.message =~ "1 executing"

        send(connection, {:answer, run(request)})
        assert {:ok, %{state: "completed"}} = SyncWorker.await(job, name: name)
        assert :ok = SyncWorker.drain(name: name)
      end

      test "await of a job that is none says so" do
        {name, _} = start_idle()
        assert_error(:not_found, SyncWorker.await(%Job{id: 12_345}, name: name))
        without_id = %Job{id: nil, state: "available"}

        for answer <- [
              SyncWorker.await(without_id, name: name),
              SyncWorker.cancel(without_id, name: name),
              SyncWorker.retry(without_id, name: name)
            ] do
          assert assert_error(:not_found, answer).message =~ "this job has no id"
        end
      end

      test "jobs are listed newest first, by state, action and limit" do
        {_, name, oban} =
          start([&run/1, ScriptedServer.error(404, "RESOURCE_DOES_NOT_EXIST")],
            oban: [queues: [mlflow_sync: 1]]
          )

        done = pull!(1, name: name)
        gone = pull!(2, name: name)
        :ok = SyncWorker.drain(name: name)
        {:ok, later} = SyncWorker.sync_experiment("7", schedule_in: 3_600, name: name)

        {:ok, _} =
          Oban.insert(oban, Job.new(%{action: "sync_experiment"}, worker: "MyApp.Worker"))

        ids = fn opts ->
          {:ok, jobs} = SyncWorker.jobs([name: name] ++ opts)
          Enum.map(jobs, & &1.id)
        end

        assert ids.([]) == [later.id, gone.id, done.id]
        assert ids.(limit: 1) == [later.id]
        assert ids.(state: :completed) == [done.id]
        assert ids.(state: ["completed", :cancelled]) == [gone.id, done.id]
        assert ids.(action: "sync_experiment") == [later.id]
        assert ids.(action: :sync_experiment, state: :completed) == []

        assert_raise ArgumentError, ~r/a job's state is one of .*:retryable.*got :done/, fn ->
          SyncWorker.jobs(state: :done, name: name)
        end
      end

      test "a waiting job can be cancelled, a running or finished one cannot" do
        test = self()
        {_, name, _} = start(fn _ -> {:hold, test} end)
        waiting = pull!(1, schedule_in: 3_600, name: name)
        assert {:ok, %{state: "cancelled"}} = SyncWorker.cancel(waiting, name: name)
        error = assert_error(:invalid, SyncWorker.cancel(waiting, name: name))
        assert error.message =~ "is not waiting"

        running = pull!(2, name: name)
        assert_receive {:held, connection, request}
        assert_error(:invalid, SyncWorker.cancel(running, name: name))
        assert_error(:invalid, SyncWorker.retry(running, name: name))
        send(connection, {:answer, run(request)})
        assert {:ok, %{state: "completed"}} = SyncWorker.await(running, name: name)
        assert_error(:invalid, SyncWorker.retry(running, name: name))
      end

      test "a cancelled or discarded job runs again, with an attempt more" do
        gone = ScriptedServer.error(404, "RESOURCE_DOES_NOT_EXIST")
        broken = ScriptedServer.error(500, "INTERNAL_ERROR")
        {_, name, _} = start([gone, broken, &run/1, &run/1])
        cancelled = pull!(1, name: name)
        assert {:ok, %{state: "cancelled"}} = SyncWorker.await(cancelled, name: name)
        discarded = pull!(2, max_attempts: 1, name: name)
        assert {:ok, %{state: "discarded"}} = SyncWorker.await(discarded, name: name)

        for job <- [cancelled, discarded] do
          assert {:ok, %{id: id}} = SyncWorker.retry(job, name: name)
          assert id == job.id
          assert {:ok, %{state: "completed", attempt: 2}} = SyncWorker.await(job, name: name)
        end
      end

      test "a job that waits runs now" do
        {_, name, _} = start(&run/1)
        job = pull!(1, schedule_in: 3_600, name: name)
        assert {:ok, _} = SyncWorker.retry(job, name: name)
        assert {:ok, %{state: "completed"}} = SyncWorker.await(job, name: name)
      end

      test "a job is not run again while an equal one waits" do
        {name, _} = start_idle()
        job = pull!(1, name: name)
        {:ok, _} = SyncWorker.cancel(job, name: name)
        twin = pull!(1, name: name)
        error = assert_error(:already_exists, SyncWorker.retry(job, name: name))
        assert error.message =~ "job #{twin.id} waits to do the same"
        assert row(job).state == "cancelled"
      end

      test "drain waits for what is due, and not for what waits for its time" do
        {_, name, _} = start(&run/1)
        later = pull!(1, schedule_in: 3_600, name: name)
        for n <- 2..9, do: pull!(n, name: name)
        assert :ok = SyncWorker.drain(name: name)
        assert {:ok, jobs} = SyncWorker.jobs(state: :completed, name: name)
        assert length(jobs) == 8
        assert row(later).state == "scheduled"
      end
    end

    describe "several" do
      test "instances of one Oban run their own jobs, each with its server" do
        oban = start_oban()

        [{one, one_server}, {two, two_server}] =
          for _ <- 1..2 do
            server = start_server(&run/1)
            queue = {MLflow.Queue.Oban, oban: oban}
            {start_instance(queue: queue, tracking_uri: ScriptedServer.uri(server)), server}
          end

        for n <- 1..10, do: pull!(n, name: one)
        for n <- 6..15, do: pull!(n, name: two)
        for name <- [one, two], do: assert(:ok = SyncWorker.drain(name: name))

        asked = fn server ->
          server |> ScriptedServer.requests() |> Enum.map(& &1.query["run_id"]) |> Enum.sort()
        end

        assert asked.(one_server) == Enum.map(1..10, &run_id/1)
        assert asked.(two_server) == Enum.map(6..15, &run_id/1)
      end
    end

    test "a trial comes to MLflow, with a request for each thing that changed" do
      {server, tracking} = start_tracking()
      experiment = Tracking.add_experiment(tracking, "e")

      {name, _} =
        start_oban_instance(tracking_uri: ScriptedServer.uri(server), experiment_id: experiment)

      for n <- 1..20 do
        {:ok, _} = Trials.create(%{trial_id: "t#{n}", status: :succeeded}, name: name)
      end

      {:ok, _} = SyncWorker.sync_trials_to_mlflow(for(n <- 1..20, do: "t#{n}"), name: name)
      assert :ok = SyncWorker.drain(name: name)
      assert length(Tracking.runs(tracking)) == 20
      assert TestRepo.aggregate(from(j in Job, where: j.state == "completed"), :count) == 20
    end

    # The instance of no name runs already; its place is taken for the time of a test.
    defp start_default(oban) do
      name = start_oban(oban)
      start_instance(name: MLflow, environment: false, queue: {MLflow.Queue.Oban, oban: name})
    end
  end
end
