defmodule MLflow.Queue.EmbeddedTest do
  use MLflow.Case, async: true

  alias MLflow.{Job, Native, SyncWorker}

  # Jobs that pull a run ask the server for that run first, and so the script decides what becomes
  # of each job, and the requests tell which ran when.
  defp run_id(n), do: n |> Integer.to_string() |> String.pad_leading(32, "0")
  defp number(request), do: String.to_integer(request.query["run_id"])

  defp run(request) do
    info = %{"run_id" => request.query["run_id"], "experiment_id" => "1"}
    {200, %{"run" => %{"info" => info}}}
  end

  defp start(script, opts \\ []) do
    server = start_server(script)
    {server, start_instance([tracking_uri: ScriptedServer.uri(server)] ++ opts)}
  end

  defp pull!(n, opts) do
    {:ok, job} = SyncWorker.sync_mlflow_to_trial(run_id(n), opts)
    job
  end

  defp job!(job, name) do
    {:ok, jobs} = SyncWorker.jobs(name: name)
    Enum.find(jobs, &(&1.id == job.id))
  end

  defp release(connection, request), do: send(connection, {:answer, run(request)})

  defp queue_pid(name),
    do: GenServer.whereis({:via, Registry, {MLflow.Registry, {MLflow.Queue.Embedded, name}}})

  defp kill_queue(name) do
    pid = queue_pid(name)
    Process.exit(pid, :kill)
    eventually(fn -> queue_pid(name) not in [nil, pid] end)
  end

  test "a job runs and keeps what it reports" do
    {server, name} = start(&run/1)
    job = pull!(1, name: name)
    assert %Job{action: "sync_mlflow_to_trial", attempt: 0, priority: 2, max_attempts: 5} = job
    assert job.args == %{"mlflow_run_id" => run_id(1)}

    assert {:ok, %Job{state: :completed} = done} = SyncWorker.await(job, name: name)
    assert done.id == job.id
    assert done.attempt == 1
    assert done.errors == []
    assert done.result["mlflow_run_id"] == run_id(1)
    assert DateTime.compare(done.finished_at, done.inserted_at) in [:gt, :eq]
    assert length(ScriptedServer.requests(server)) == 1
    assert {:ok, %{mlflow_experiment_id: "1"}} = MLflow.Runs.get(run_id(1), name: name)
  end

  test "enqueueing does not wait for the network" do
    {_, name} = start({:hold, self()} |> List.duplicate(1), concurrency: 1)
    first = pull!(1, name: name)
    assert_receive {:held, connection, request}
    {time, _} = :timer.tc(fn -> for n <- 2..50, do: pull!(n, name: name) end)
    assert time < 2_000_000
    assert job!(first, name).state == :executing
    release(connection, request)
  end

  describe "order and room" do
    test "jobs run by priority, then by age" do
      test = self()

      {server, name} =
        start(fn r -> if number(r) == 1, do: {:hold, test}, else: run(r) end, concurrency: 1)

      pull!(1, name: name)
      assert_receive {:held, connection, request}

      for {n, priority} <- [{2, 9}, {3, 2}, {4, 0}, {5, 2}, {6, 0}],
          do: pull!(n, priority: priority, name: name)

      release(connection, request)
      assert :ok = SyncWorker.drain(name: name)
      assert Enum.map(ScriptedServer.requests(server), &number/1) == [1, 4, 6, 3, 5, 2]
    end

    test "no more run at once than there is room for" do
      test = self()
      {_, name} = start(fn _ -> {:hold, test} end, concurrency: 2)
      for n <- 1..5, do: pull!(n, name: name)

      assert_receive {:held, c1, r1}
      assert_receive {:held, c2, r2}
      assert {:ok, jobs} = SyncWorker.jobs(name: name)
      assert Enum.frequencies_by(jobs, & &1.state) == %{executing: 2, available: 3}
      refute_receive {:held, _, _}, 50

      for {c, r} <- [{c1, r1}, {c2, r2}], do: release(c, r)

      for _ <- 1..3 do
        assert_receive {:held, c, r}
        release(c, r)
      end

      assert :ok = SyncWorker.drain(name: name)
    end

    test "two jobs for the same trial never run at once" do
      test = self()
      {server, tracking} = start_tracking(%{"runs/create" => fn _ -> {:hold, test} end})
      experiment = Tracking.add_experiment(tracking, "e")
      name = start_instance(tracking_uri: ScriptedServer.uri(server), experiment_id: experiment)
      {:ok, _} = MLflow.Trials.create(%{trial_id: "t1"}, name: name)

      {:ok, push} = SyncWorker.sync_trial_to_mlflow("t1", name: name)
      assert_receive {:held, connection, request}
      {:ok, create} = SyncWorker.create_run("t1", experiment, name: name)
      assert create.id != push.id
      pulled = pull!(9, name: name)
      # The other job had room to run, and did; this one was passed over.
      assert {:ok, %{state: :cancelled}} = SyncWorker.await(pulled, name: name)
      assert job!(create, name).state == :available

      send(connection, {:answer, Tracking.act(tracking, request)})
      assert {:ok, %{state: :completed}} = SyncWorker.await(push, name: name)
      assert {:ok, %{state: :completed}} = SyncWorker.await(create, name: name)
      assert length(Tracking.runs(tracking)) == 1
    end
  end

  describe "uniqueness" do
    test "an equal job is not added while one waits" do
      test = self()
      {_, name} = start(fn _ -> {:hold, test} end, concurrency: 1)
      pull!(1, name: name)
      assert_receive {:held, c1, r1}

      waiting = pull!(2, name: name)
      refute waiting.conflict?
      again = pull!(2, name: name)
      assert again.conflict?
      assert again.id == waiting.id

      # The first runs already, and may have read before what the new job is for changed.
      behind = pull!(1, name: name)
      refute behind.conflict?

      release(c1, r1)

      for _ <- 1..2 do
        assert_receive {:held, c, r}
        release(c, r)
      end

      assert :ok = SyncWorker.drain(name: name)
      later = pull!(1, name: name)
      refute later.conflict?
      assert_receive {:held, c, r}
      release(c, r)
      assert {:ok, %{state: :completed}} = SyncWorker.await(later, name: name)
    end

    test "many jobs are added in one write, equal ones once" do
      name = start_instance(concurrency: 1)
      ids = for n <- 1..100, do: "t#{rem(n, 50)}"
      assert {:ok, jobs} = SyncWorker.sync_trials_to_mlflow(ids, schedule_in: 3_600, name: name)
      assert length(jobs) == 100
      assert Enum.count(jobs, & &1.conflict?) == 50
      assert jobs |> Enum.map(& &1.id) |> Enum.uniq() |> length() == 50
      assert SyncWorker.sync_trials_to_mlflow([], name: name) == {:ok, []}
    end

    test "a scheduled job that is asked for sooner comes sooner" do
      {_, name} = start(&run/1)
      later = pull!(1, schedule_in: 3_600, name: name)
      assert later.state == :scheduled
      now = pull!(1, name: name)
      assert {now.id, now.conflict?} == {later.id, true}
      assert {:ok, %{state: :completed}} = SyncWorker.await(later, name: name)
    end
  end

  describe "scheduling" do
    test "schedule_in runs a job then, and not before" do
      {server, name} = start(&run/1)
      job = pull!(1, schedule_in: 1, name: name)
      assert job.state == :scheduled
      # What waits for its time is not due.
      assert :ok = SyncWorker.drain(name: name)
      assert ScriptedServer.requests(server) == []

      assert {:ok, done} = SyncWorker.await(job, name: name)
      assert DateTime.compare(done.attempted_at, job.scheduled_at) in [:eq, :gt]
    end

    test "scheduled_at takes a DateTime" do
      name = start_instance()
      at = DateTime.add(DateTime.utc_now(), 3_600)
      job = pull!(1, scheduled_at: at, name: name)
      assert DateTime.diff(job.scheduled_at, at, :millisecond) == 0
    end

    test "spread begins one after the other what is added together" do
      name = start_instance()
      ids = for n <- 1..20, do: "t#{n}"
      opts = [spread: 1_000, schedule_in: 100, name: name]
      {:ok, jobs} = SyncWorker.sync_trials_to_mlflow(ids, opts)

      for {job, n} <- Enum.with_index(jobs) do
        assert job.state == :scheduled

        assert DateTime.diff(job.scheduled_at, job.inserted_at) in (100 + n * 50 - 1)..(151 +
                                                                                          n * 50)
      end

      {:ok, [now]} = SyncWorker.sync_trials_to_mlflow(["x"], spread: 0, name: name)
      refute now.state == :scheduled
    end

    test "options that make no sense are refused" do
      name = start_instance()

      assert_raise ArgumentError, ~r/:priority must be 0 \(first\) to 9/, fn ->
        pull!(1, priority: 10, name: name)
      end

      assert {:error, %{kind: :invalid}} =
               SyncWorker.sync_mlflow_to_trial(run_id(1), max_attempts: 0, name: name)

      assert_raise ArgumentError, fn -> pull!(1, scheduled_at: "tomorrow", name: name) end
      assert_raise ArgumentError, fn -> pull!(1, spread: -1, name: name) end
      assert SyncWorker.jobs(name: name) == {:ok, []}
    end

    test "a schedule_in that is no whole number is refused, and not taken for now" do
      name = start_instance()

      for wrong <- [1.5, "60"] do
        assert_raise ArgumentError, fn -> pull!(1, schedule_in: wrong, name: name) end
      end
    end
  end

  describe "verdicts" do
    test "what may pass is tried again later, with its error" do
      {_, name} = start([ScriptedServer.error(503, "TEMPORARILY_UNAVAILABLE", "booting"), &run/1])
      job = pull!(1, name: name)

      waiting =
        eventually(fn ->
          with %{state: :retryable} = job <- job!(job, name), do: job, else: (_ -> nil)
        end)

      assert waiting.attempt == 1

      assert [%{"attempt" => 1, "at" => at, "kind" => "unavailable", "message" => message}] =
               waiting.errors

      assert is_integer(at)
      assert message =~ "booting"
      delay = DateTime.diff(waiting.scheduled_at, waiting.attempted_at, :millisecond)
      assert delay in 900..3_000

      assert {:ok, %{state: :completed, attempt: 2}} = SyncWorker.await(job, name: name)
    end

    test "a job is discarded after its last attempt, with all its errors" do
      failure = ScriptedServer.error(500, "INTERNAL_ERROR", "no luck")
      {server, name} = start(fn _ -> failure end)
      job = pull!(1, max_attempts: 2, name: name)
      assert {:ok, %{state: :discarded} = done} = SyncWorker.await(job, name: name)
      assert Enum.map(done.errors, & &1["attempt"]) == [1, 2]
      assert length(ScriptedServer.requests(server)) == 2
    end

    test "what asks to wait is snoozed, and the attempt does not count" do
      busy = {429, [{"retry-after", "1"}], "slow down"}
      {_, name} = start([busy, busy, &run/1])
      job = pull!(1, max_attempts: 1, name: name)

      snoozed =
        eventually(fn ->
          with %{errors: [_ | _]} = job <- job!(job, name), do: job, else: (_ -> nil)
        end)

      assert snoozed.state == :scheduled
      assert snoozed.attempt == 0
      assert [%{"kind" => "rate_limited"}] = snoozed.errors

      assert {:ok, %{state: :completed, attempt: 1}} = SyncWorker.await(job, name: name)
    end

    test "what trying again cannot mend is cancelled at once" do
      for {status, code, kind} <- [
            {404, "RESOURCE_DOES_NOT_EXIST", "not_found"},
            {400, "INVALID_PARAMETER_VALUE", "invalid"},
            {403, "PERMISSION_DENIED", "forbidden"}
          ] do
        {server, name} = start([ScriptedServer.error(status, code, "no")])
        job = pull!(1, name: name)
        assert {:ok, %{state: :cancelled} = done} = SyncWorker.await(job, name: name)
        assert [%{"kind" => ^kind}] = done.errors
        assert length(ScriptedServer.requests(server)) == 1
      end
    end

    test "a job whose code dies is one that failed" do
      {_, name} = start([&run/1, &run/1], token: fn -> Process.exit(self(), :kill) end)
      job = pull!(1, max_attempts: 1, name: name)
      assert {:ok, %{state: :discarded} = done} = SyncWorker.await(job, name: name)
      assert [%{"kind" => "crashed"}] = done.errors
    end
  end

  describe "cancel/2 and retry/2" do
    test "a waiting job can be cancelled, a running or finished one cannot" do
      test = self()
      {_, name} = start(fn _ -> {:hold, test} end)
      waiting = pull!(1, schedule_in: 3_600, name: name)
      assert {:ok, %{state: :cancelled}} = SyncWorker.cancel(waiting, name: name)
      error = assert_error(:invalid, SyncWorker.cancel(waiting, name: name))
      assert error.message =~ "is not waiting"

      running = pull!(2, name: name)
      assert_receive {:held, connection, request}
      assert_error(:invalid, SyncWorker.cancel(running, name: name))
      release(connection, request)
      assert {:ok, %{state: :completed}} = SyncWorker.await(running, name: name)
    end

    test "a cancelled or discarded job runs again, with an attempt more" do
      gone = ScriptedServer.error(404, "RESOURCE_DOES_NOT_EXIST")
      broken = ScriptedServer.error(500, "INTERNAL_ERROR")
      {_, name} = start([gone, broken, &run/1, &run/1])
      cancelled = pull!(1, name: name)
      assert {:ok, %{state: :cancelled}} = SyncWorker.await(cancelled, name: name)
      discarded = pull!(2, max_attempts: 1, name: name)
      assert {:ok, %{state: :discarded}} = SyncWorker.await(discarded, name: name)

      for job <- [cancelled, discarded] do
        assert {:ok, %{state: :available}} = SyncWorker.retry(job, name: name)
        assert {:ok, %{state: :completed, attempt: 2}} = SyncWorker.await(job, name: name)
      end
    end

    test "a job that waits for its next attempt runs now" do
      {_, name} = start([ScriptedServer.error(500, "INTERNAL_ERROR"), &run/1])
      job = pull!(1, name: name)
      eventually(fn -> job!(job, name).state == :retryable end)
      assert {:ok, _} = SyncWorker.retry(job, name: name)
      assert {:ok, done} = SyncWorker.await(job, name: name)
      assert done.state == :completed
      assert DateTime.diff(done.finished_at, done.inserted_at, :millisecond) < 1_000
    end

    test "a job that waits for its time runs now" do
      {_, name} = start(&run/1)
      job = pull!(1, schedule_in: 3_600, name: name)
      assert {:ok, _} = SyncWorker.retry(job, name: name)
      assert {:ok, %{state: :completed}} = SyncWorker.await(job, timeout: 2_000, name: name)
    end
  end

  describe "list" do
    test "is newest first, by state, action and limit" do
      {_, name} =
        start([&run/1, ScriptedServer.error(404, "RESOURCE_DOES_NOT_EXIST")], concurrency: 1)

      done = pull!(1, name: name)
      gone = pull!(2, name: name)
      :ok = SyncWorker.drain(name: name)
      {:ok, later} = SyncWorker.sync_experiment("7", schedule_in: 3_600, name: name)

      ids = fn opts ->
        {:ok, jobs} = SyncWorker.jobs([name: name] ++ opts)
        Enum.map(jobs, & &1.id)
      end

      assert ids.([]) == [later.id, gone.id, done.id]
      assert ids.(limit: 1) == [later.id]
      assert ids.(state: :completed) == [done.id]
      assert ids.(state: [:completed, :cancelled]) == [gone.id, done.id]
      assert ids.(action: "sync_experiment") == [later.id]
      assert ids.(action: :sync_experiment, state: :completed) == []

      assert_raise ArgumentError, ~r/a job's state is one of .*:retryable.*got :done/, fn ->
        SyncWorker.jobs(state: :done, name: name)
      end
    end
  end

  describe "waiting" do
    test "await and drain give up at their timeout, and the job goes on" do
      test = self()
      {_, name} = start(fn _ -> {:hold, test} end)
      job = pull!(1, name: name)
      assert_receive {:held, connection, request}

      error = assert_error(:timeout, SyncWorker.await(job, timeout: 50, name: name))
      assert error.message =~ "job #{job.id} is not finished"
      error = assert_error(:timeout, SyncWorker.drain(timeout: 50, name: name))
      assert error.message =~ "1 executing"

      release(connection, request)
      assert {:ok, %{state: :completed}} = SyncWorker.await(job, name: name)
      assert :ok = SyncWorker.drain(name: name)
    end

    test "await answers many, and at once for a finished job" do
      test = self()
      {_, name} = start(fn _ -> {:hold, test} end)
      job = pull!(1, name: name)
      waiting = for _ <- 1..10, do: Task.async(fn -> SyncWorker.await(job, name: name) end)
      assert_receive {:held, connection, request}
      release(connection, request)
      for {:ok, done} <- Task.await_many(waiting), do: assert(done.state == :completed)
      assert {:ok, %{state: :completed}} = SyncWorker.await(job, timeout: 1_000, name: name)
    end

    test "await of a job that is none says so" do
      name = start_instance()
      assert_error(:not_found, SyncWorker.await(%Job{id: 12_345}, name: name))
    end

    test "await is an error, and no exit, when the queue dies meanwhile" do
      test = self()
      {_, name} = start(fn _ -> {:hold, test} end)
      job = pull!(1, name: name)
      assert_receive {:held, _, _}

      waiting =
        Task.async(fn ->
          try do
            SyncWorker.await(job, timeout: 1_000, name: name)
          catch
            :exit, reason -> {:exit, reason}
          end
        end)

      eventually(fn -> map_size(:sys.get_state(queue_pid(name)).waiting) == 1 end)
      kill_queue(name)
      assert {:error, %MLflow.Error{retryable: true}} = Task.await(waiting)
    end
  end

  describe "stopping and dying" do
    test "a queue that stops lets running jobs finish" do
      test = self()
      {_, name} = start(fn _ -> {:hold, test} end, database: tmp_path("q.db"))
      database = MLflow.config!(name: name).database
      job = pull!(1, name: name)
      assert_receive {:held, connection, request}

      queue = queue_pid(name)

      Task.async(fn ->
        eventually(fn -> stopping?(queue) end)
        release(connection, request)
      end)

      stop_instance(name)

      {:ok, store} = Native.store_open(database)
      assert {:ok, %{"state" => "completed"}} = Native.store(store, {:get_job, job.id})
      Native.store_close(store)
    end

    test "waiting jobs survive a restart on the same file" do
      database = tmp_path("q.db")
      name = start_instance(database: database)
      scheduled = pull!(1, schedule_in: 3_600, priority: 7, name: name)
      failed = pull!(2, name: name)

      failed =
        eventually(fn ->
          with %{state: :retryable} = job <- job!(failed, name), do: job, else: (_ -> nil)
        end)

      stop_instance(name)

      start_instance(name: name, database: database)
      assert job!(scheduled, name) == scheduled
      assert %{errors: [_ | _], args: args} = job!(failed, name)
      assert args == failed.args
    end

    test "an outcome that the store could not take is kept until it can" do
      {_, name} = start([{:hold, self()}])
      job = pull!(1, name: name)
      assert_receive {:held, connection, request}

      # The queue alone has lost its store: the job goes on with its own.
      queue = queue_pid(name)
      %{instance: %{store: store}} = :sys.get_state(queue)
      {:ok, lost} = Native.store_open(":memory:")
      Native.store_close(lost)
      :sys.replace_state(queue, &put_in(&1.instance.store, lost))

      release(connection, request)
      eventually(fn -> :sys.get_state(queue).running == %{} end)
      assert %{state: :executing} = job!(job, name)

      :sys.replace_state(queue, &put_in(&1.instance.store, store))

      assert %{state: :completed, attempt: 1, errors: []} =
               eventually(fn -> with %{state: :executing} <- job!(job, name), do: nil end)
    end

    # A process in its terminate/2 waits there for its jobs.
    defp stopping?(pid) do
      case Process.info(pid, :current_function) do
        {:current_function, {MLflow.Queue.Embedded, :settle, 2}} -> true
        _ -> false
      end
    end
  end

  describe "one file for several" do
    test "instances of different names run their own jobs only" do
      database = tmp_path("q.db")
      {one_server, one} = start(&run/1, database: database)
      {two_server, two} = start(&run/1, database: database)

      jobs = for n <- 1..10, do: pull!(n, name: one)
      others = for n <- 11..20, do: pull!(n, name: two)
      for job <- jobs, do: assert({:ok, %{state: :completed}} = SyncWorker.await(job, name: one))

      for job <- others,
          do: assert({:ok, %{state: :completed}} = SyncWorker.await(job, name: two))

      assert one_server |> ScriptedServer.requests() |> Enum.map(&number/1) |> Enum.sort() ==
               Enum.to_list(1..10)

      assert two_server |> ScriptedServer.requests() |> Enum.map(&number/1) |> Enum.sort() ==
               Enum.to_list(11..20)
    end

    test "two workers of one namespace never take the same job" do
      path = tmp_path("q.db")
      stores = for _ <- 1..2, do: ({:ok, store} = Native.store_open(path)) && store

      new = fn n ->
        %{
          instance: "i",
          action: "a",
          args: %{n: n},
          unique_key: "#{n}",
          lock_key: nil,
          priority: 2,
          max_attempts: 5,
          scheduled_at: nil
        }
      end

      {:ok, _} = Native.store(hd(stores), {:insert_jobs, Enum.map(1..200, new)})

      taken =
        stores
        |> Enum.map(fn store ->
          Task.async(fn ->
            owner = Native.owner()

            Stream.repeatedly(fn ->
              {:ok, rows} = Native.store(store, {:fetch_jobs, "i", owner, 3, 60_000})
              rows
            end)
            |> Enum.take_while(&(&1 != []))
            |> Enum.concat()
            |> Enum.map(& &1["id"])
          end)
        end)
        |> Task.await_many(30_000)

      assert taken |> Enum.concat() |> Enum.sort() |> Enum.uniq() |> length() == 200
      assert taken |> Enum.concat() |> length() == 200
      Enum.each(stores, &Native.store_close/1)
    end
  end
end
