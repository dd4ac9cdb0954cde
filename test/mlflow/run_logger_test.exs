defmodule MLflow.RunLoggerTest do
  use MLflow.Case, async: true

  import Bitwise, only: [<<<: 2]

  alias MLflow.{Outbox, RunLogger, Trials}

  # `overrides` may need the tracking server to act and answer otherwise.
  defp start(opts \\ [], overrides \\ fn _tracking -> %{} end) do
    tracking =
      start_supervised!(Supervisor.child_spec({Tracking, []}, id: {Tracking, make_ref()}))

    server = start_server(Tracking.script(tracking, overrides.(tracking)))
    options = [tracking_uri: ScriptedServer.uri(server), experiment_id: "7"]
    {start_instance(Keyword.merge(options, opts)), server, tracking}
  end

  defp logger!(name, opts \\ []) do
    {:ok, logger} = RunLogger.start_link([name: name] ++ opts)
    logger
  end

  # A process that starts a logger, logs one point, says so, and ends as it is told.
  defp trainer(name, opts \\ []) do
    test = self()

    pid =
      spawn(fn ->
        logger = logger!(name, opts)
        :ok = RunLogger.log(logger, %{loss: 1}, step: 1)
        send(test, {:logger, logger})
        receive do: ({:exit, reason} -> exit(reason))
      end)

    assert_receive {:logger, logger}
    {pid, logger}
  end

  # Answers as it should once `times` answers were lost.
  defp losing_answers(tracking, operation, times) do
    seen = :counters.new(1, [])

    fun = fn request ->
      answer = Tracking.act(tracking, request)
      :counters.add(seen, 1, 1)
      if :counters.get(seen, 1) <= times, do: :close, else: answer
    end

    %{operation => fun}
  end

  defp points(run) do
    for %{"key" => key, "value" => value, "step" => step, "timestamp" => timestamp} <-
          run["points"],
        do: {key, value, step, timestamp}
  end

  defp steps(run), do: for({_, _, step, _} <- points(run), do: step)

  defp only_run(tracking) do
    [run] = Tracking.runs(tracking)
    run
  end

  defp empty?(name), do: match?({:ok, %{loggers: []}}, Outbox.status(name: name))

  defp runs_operations(server),
    do: Enum.filter(ScriptedServer.operations(server), &String.starts_with?(&1, "runs/"))

  describe "a run of its own" do
    test "is created with its name and tags, gets everything, and then its end" do
      {name, server, tracking} = start()

      logger =
        logger!(name,
          run_name: "resnet",
          params: %{lr: 0.1},
          tags: %{team: "vision"},
          experiment: "e"
        )

      before = System.system_time(:millisecond)
      :ok = RunLogger.log(logger, %{loss: 0.5}, step: 1, timestamp: 100)
      :ok = RunLogger.log(logger, [{:loss, 0.4, 2}, {"acc", 1, 3, 300}], timestamp: 200)
      :ok = RunLogger.log(logger, loss: :nan)
      :ok = RunLogger.log_params(logger, depth: 18)
      :ok = RunLogger.set_tags(logger, %{stage: "warm"})
      assert {:ok, :delivered} = RunLogger.close(logger, status: :killed)

      run = only_run(tracking)
      assert run["run_name"] == "resnet"
      assert run["params"] == %{"lr" => "0.1", "depth" => "18"}
      assert %{"team" => "vision", "stage" => "warm", "thunderline_trial_id" => _} = run["tags"]
      assert run["status"] == "KILLED"
      assert_in_delta run["end_time"], before, 5_000

      assert [{"loss", 0.5, 1, 100}, {"loss", 0.4, 2, 200}, {"acc", 1.0, 3, 300}, last] =
               points(run)

      assert {"loss", "NaN", 0, timestamp} = last
      assert_in_delta timestamp, before, 5_000
      assert runs_operations(server) == ~w(runs/create runs/log-batch runs/update)
      assert {:ok, %{name: "e"}} = MLflow.Client.get_experiment(run["experiment_id"], name: name)
      eventually(fn -> empty?(name) end)
    end

    test "goes to the default experiment, and is finished when it is closed" do
      {name, _server, tracking} = start()
      assert {:ok, :delivered} = RunLogger.close(logger!(name))
      assert %{"experiment_id" => "7", "status" => "FINISHED"} = only_run(tracking)
    end

    test "of an id goes on in the same run, as running, after it had ended" do
      {name, _server, tracking} = start()

      for step <- 1..3 do
        logger = logger!(name, id: "nightly")
        :ok = RunLogger.log(logger, %{loss: 1}, step: step, timestamp: step)
        :ok = RunLogger.flush(logger)
        assert only_run(tracking)["status"] == "RUNNING"
        assert {:ok, :delivered} = RunLogger.close(logger)
        assert only_run(tracking)["status"] == "FINISHED"
        # Once with the log still there, once with nothing left of it.
        if step == 2, do: eventually(fn -> empty?(name) end)
      end

      assert steps(only_run(tracking)) == [1, 2, 3]
      assert only_run(tracking)["tags"]["thunderline_trial_id"] == "nightly"
    end

    test "is found by its tag when the answer to its creation was lost" do
      {name, server, tracking} = start([], &losing_answers(&1, "runs/create", 1))
      logger = logger!(name)
      :ok = RunLogger.log(logger, %{loss: 1}, step: 1)
      assert {:ok, _} = RunLogger.close(logger)
      :ok = Outbox.flush(name: name)
      assert %{"status" => "FINISHED"} = run = only_run(tracking)
      assert steps(run) == [1]
      assert "runs/search" in ScriptedServer.operations(server)
    end

    test "may not have the id of a trial" do
      name = start_instance()
      {:ok, _} = Trials.create(%{trial_id: "t1"}, name: name)
      error = assert_error(:already_exists, RunLogger.start_link(id: "t1", name: name))
      assert error.message =~ "log to its run with trial:"
    end
  end

  describe "how a run of its own ends without a close:" do
    for {reason, status} <- [
          normal: "FINISHED",
          boom: "FAILED",
          shutdown: "KILLED",
          kill: "FAILED"
        ] do
      test "its starter exits with #{inspect(reason)}" do
        {name, _server, tracking} = start()
        {pid, _logger} = trainer(name)

        if unquote(reason) == :kill,
          do: Process.exit(pid, :kill),
          else: send(pid, {:exit, unquote(reason)})

        eventually(fn ->
          match?([%{"status" => unquote(status)}], Tracking.runs(tracking))
        end)

        assert steps(only_run(tracking)) == [1]
        eventually(fn -> empty?(name) end)
      end
    end

    test "the logger itself is killed" do
      {name, _server, tracking} = start()
      {_pid, logger} = trainer(name)
      Process.unlink(logger)
      Process.exit(logger, :kill)
      eventually(fn -> match?([%{"status" => "FAILED"}], Tracking.runs(tracking)) end)
      assert_error(:invalid, RunLogger.log(logger, %{loss: 1}))
    end

    test "on_exit: :leave leaves it running" do
      {name, _server, tracking} = start()
      {pid, _logger} = trainer(name, id: "x", on_exit: :leave)
      send(pid, {:exit, :boom})
      eventually(fn -> empty?(name) end)
      assert %{"status" => "RUNNING", "end_time" => nil} = only_run(tracking)
    end
  end

  describe "other runs" do
    test "a trial's run is created the normal way and keeps the trial's status" do
      {name, _server, tracking} = start()

      {:ok, _} =
        Trials.create(%{trial_id: "t1", status: :running, parameters: %{lr: 1}}, name: name)

      logger = logger!(name, trial: "t1")
      :ok = RunLogger.log(logger, %{loss: 0.5}, step: 1)

      assert_raise ArgumentError, ~r/MLflow.Trials.update/, fn ->
        RunLogger.close(logger, status: :finished)
      end

      assert {:ok, :delivered} = RunLogger.close(logger)
      run = only_run(tracking)
      assert run["tags"]["thunderline_trial_id"] == "t1"
      assert %{"status" => "RUNNING", "params" => %{"lr" => "1"}} = run
      assert steps(run) == [1]
    end

    test "a trial that is not there is an error at once" do
      name = start_instance()
      assert_error(:not_found, RunLogger.start_link(trial: "nobody", name: name))
    end

    test "a run that exists is logged to, and ends only if that is asked for" do
      {name, server, tracking} = start()
      id = Tracking.add_run(tracking, "7")

      for {opts, status} <- [{[], "RUNNING"}, {[status: :failed], "FAILED"}] do
        logger = logger!(name, run_id: id)
        :ok = RunLogger.log(logger, %{loss: 0.5}, step: 1, timestamp: 1)
        assert {:ok, :delivered} = RunLogger.close(logger, opts)
        assert %{"status" => ^status} = only_run(tracking)
      end

      assert steps(only_run(tracking)) == [1]
      assert runs_operations(server) == ~w(runs/log-batch runs/log-batch runs/update)
    end

    test "a run has one logger, which any process may use" do
      {name, _server, tracking} = start()
      id = Tracking.add_run(tracking, "7")
      logger = logger!(name, run_id: id)
      error = assert_error(:already_exists, RunLogger.start_link(run_id: id, name: name))
      assert error.message =~ "share it"

      1..4
      |> Task.async_stream(fn n ->
        for step <- 1..50, do: :ok = RunLogger.log(logger, [{"loss#{n}", n, step, step}])
      end)
      |> Stream.run()

      :ok = RunLogger.flush(logger)
      logged = only_run(tracking) |> points() |> Enum.group_by(&elem(&1, 0), &elem(&1, 2))
      assert logged == Map.new(1..4, &{"loss#{&1}", Enum.to_list(1..50)})
    end
  end

  describe "what is asked wrongly" do
    test "raises with what to do" do
      assert_raise ArgumentError, ~r/did you mean :run_name\?/, fn ->
        RunLogger.start_link(runname: "x")
      end

      assert_raise ArgumentError, ~r/not both/, fn ->
        RunLogger.start_link(trial: "t", run_id: "r")
      end

      assert_raise ArgumentError, ~r/log_params/, fn ->
        RunLogger.start_link(trial: "t", params: %{a: 1})
      end

      assert_raise ArgumentError, ~r/both kinds of quotes/, fn ->
        RunLogger.start_link(id: "a'b\"c")
      end

      assert_raise ArgumentError, ~r/:status is one of/, fn ->
        RunLogger.close(self(), status: :running)
      end
    end

    test "is an error where it is no mistake in the program" do
      name = start_instance(enabled: false)
      assert_error(:disabled, RunLogger.start_link(name: name))
      assert_error(:disabled, Outbox.status(name: name))

      name = start_instance(database: ":memory:")
      error = assert_error(:config, RunLogger.start_link(name: name))
      assert error.message =~ "outbox:"

      name = start_instance()
      assert_error(:invalid, RunLogger.start_link(name: name, run_id: "abc"))
    end

    test "keeps nothing of the call" do
      {name, _server, tracking} = start()
      logger = logger!(name)
      good = {:loss, 1, 1, 1}

      for {bad, part} <- [
            {{:loss, "none"}, "metric loss must be a number"},
            {{:loss, 1, 0.5}, "step of metric loss"},
            {{:loss, 1, 1 <<< 70}, "64 bits"},
            {{String.duplicate("k", 251), 1}, "251 characters"},
            {{"", 1}, "empty key"},
            {{<<255>>, 1}, "UTF-8"}
          ] do
        error = assert_error(:invalid, RunLogger.log(logger, [good, bad]))
        assert error.message =~ part
        many = List.duplicate(good, 3_000) ++ [bad]
        assert_error(:invalid, RunLogger.log(logger, many))
      end

      long = String.duplicate("v", 6_001)
      assert_error(:invalid, RunLogger.log_params(logger, a: 1, b: long))
      assert_error(:invalid, RunLogger.set_tags(logger, [{"", 1}]))
      assert {:ok, :delivered} = RunLogger.close(logger)
      assert %{"points" => [], "params" => params} = only_run(tracking)
      assert params == %{}
    end

    test "a closed logger says that it is" do
      {name, _server, _tracking} = start()
      logger = logger!(name)
      assert {:ok, :delivered} = RunLogger.close(logger)

      for call <- [
            fn -> RunLogger.log(logger, %{loss: 1}) end,
            fn -> RunLogger.log_params(logger, %{a: 1}) end,
            fn -> RunLogger.flush(logger) end,
            fn -> RunLogger.close(logger) end,
            fn -> RunLogger.log(:nobody_of_this_name, %{loss: 1}) end
          ] do
        assert assert_error(:invalid, call.()).message =~ "closed"
      end
    end
  end

  describe "delivery" do
    test "is in full batches and in order" do
      {name, server, tracking} = start()
      logger = logger!(name)
      :ok = RunLogger.log(logger, for(step <- 1..5_500, do: {:loss, 1, step, step}))
      :ok = RunLogger.flush(logger)
      assert steps(only_run(tracking)) == Enum.to_list(1..5_500)

      sizes =
        for request <- ScriptedServer.requests(server, "runs/log-batch"),
            do: length(request.json["metrics"])

      assert sizes == [1000, 1000, 1000, 1000, 1000, 500]
    end

    test "begins by itself, when there is enough and after a while" do
      {name, _server, tracking} = start()
      logger = logger!(name)
      :ok = RunLogger.log(logger, %{loss: 1}, step: 0)
      eventually(fn -> match?([%{"points" => [_]}], Tracking.runs(tracking)) end)
      for step <- 1..1_000, do: :ok = RunLogger.log(logger, %{loss: 1}, step: step)
      eventually(fn -> length(only_run(tracking)["points"]) == 1_001 end)
    end

    test "sends again as it was what lost its answer" do
      {name, _server, tracking} = start([], &losing_answers(&1, "runs/log-batch", 2))
      logger = logger!(name)
      for step <- 1..10, do: :ok = RunLogger.log(logger, %{loss: step}, step: step)
      eventually(fn -> RunLogger.flush(logger, timeout: 500) == :ok end, 20_000)
      assert steps(only_run(tracking)) == Enum.to_list(1..10)
    end

    test "waits for a server that is down, and goes on when it is back" do
      tracking = start_supervised!(Tracking)
      port = ScriptedServer.free_port()
      name = start_instance(tracking_uri: "http://127.0.0.1:#{port}", experiment_id: "7")
      logger = logger!(name)
      for step <- 1..2_500, do: :ok = RunLogger.log(logger, %{loss: step}, step: step)

      error = assert_error(:timeout, RunLogger.flush(logger, timeout: 300))
      assert error.message =~ "2500 entries still wait"
      assert error.message =~ "cannot connect"
      assert {:ok, :waiting} = RunLogger.close(logger, timeout: 10)

      assert {:ok, %{loggers: [%{error: %{kind: :connect}, waiting: 2_501}]}} =
               Outbox.status(name: name)

      start_server(Tracking.script(tracking), port: port)
      eventually(fn -> empty?(name) end, 10_000)
      assert %{"status" => "FINISHED"} = run = only_run(tracking)
      assert steps(run) == Enum.to_list(1..2_500)
    end

    test "waits as long as the server asks for" do
      test = self()

      limited = fn _request ->
        send(test, {:asked, System.monotonic_time(:millisecond)})
        {429, [{"retry-after", "2"}], "{\"error_code\": \"REQUEST_LIMIT_EXCEEDED\"}"}
      end

      {name, _server, _tracking} = start([], fn _ -> %{"runs/log-batch" => limited} end)
      logger = logger!(name)
      :ok = RunLogger.log(logger, %{loss: 1})
      assert_receive {:asked, first}
      assert_receive {:asked, second}, 10_000
      assert second - first >= 1_900
    end

    test "is at most as many logs at once as the instance's concurrency" do
      test = self()
      hold = fn _tracking -> %{"runs/log-batch" => fn _ -> {:hold, test} end} end
      {name, _server, tracking} = start([concurrency: 2], hold)

      loggers =
        for _ <- 1..4 do
          logger = logger!(name, run_id: Tracking.add_run(tracking, "7"))
          :ok = RunLogger.log(logger, %{loss: 1})
          logger
        end

      assert_receive {:held, one, _}
      assert_receive {:held, two, _}
      refute_receive {:held, _, _}, 1_500
      for connection <- [one, two], do: send(connection, {:answer, {200, %{}}})

      for _ <- 1..2 do
        assert_receive {:held, connection, _}
        send(connection, {:answer, {200, %{}}})
      end

      for logger <- loggers, do: :ok = RunLogger.flush(logger)
    end
  end

  describe "the bound" do
    test "answers beyond it, and takes more when there is room again" do
      port = ScriptedServer.free_port()
      uri = "http://127.0.0.1:#{port}"
      name = start_instance(tracking_uri: uri, experiment_id: "7", outbox_limit: 10_000)
      logger = logger!(name)
      logged = log_until_refused(logger, 1)
      assert {:ok, %{points: ^logged, bytes: bytes}} = Outbox.status(name: name)
      assert bytes in 9_000..10_000

      tracking = start_supervised!(Tracking)
      start_server(Tracking.script(tracking), port: port)
      :ok = RunLogger.flush(logger)
      :ok = RunLogger.log(logger, %{loss: 1}, step: logged + 1)
      assert {:ok, :delivered} = RunLogger.close(logger)
      assert steps(only_run(tracking)) == Enum.to_list(1..(logged + 1))
    end

    defp log_until_refused(logger, step) do
      case RunLogger.log(logger, %{loss: 1}, step: step) do
        :ok ->
          log_until_refused(logger, step + 1)

        {:error, error} ->
          assert %{kind: :overloaded, retryable: true} = error
          assert error.message =~ "outbox_limit"
          step - 1
      end
    end

    test "does not keep a run from ending" do
      name = start_instance(outbox_limit: 10_000)
      logger = logger!(name)
      log_until_refused(logger, 1)
      assert {:ok, :waiting} = RunLogger.close(logger, timeout: 0)
    end
  end

  describe "restarts" do
    test "what an instance leaves behind the next one delivers, without being asked" do
      database = tmp_path("mlflow.db")
      name = start_instance(database: database)
      {pid, _logger} = trainer(name)
      send(pid, {:exit, :normal})
      eventually(fn -> match?({:ok, %{points: 2}}, Outbox.status(name: name)) end)
      stop_instance(name)

      {server, tracking} = start_tracking()
      uri = ScriptedServer.uri(server)
      start_instance(name: name, database: database, tracking_uri: uri, experiment_id: "7")
      eventually(fn -> match?([%{"status" => "FINISHED"}], Tracking.runs(tracking)) end)
      assert steps(only_run(tracking)) == [1]
      eventually(fn -> empty?(name) end)
    end

    test "a logger logs on while its instance restarts" do
      {name, server, tracking} = start()
      logger = logger!(name)
      :ok = RunLogger.log(logger, %{loss: 1}, step: 1)
      options = MLflow.config!(name: name)
      stop_instance(name)
      :ok = RunLogger.log(logger, %{loss: 1}, step: 2)

      start_instance(
        name: name,
        database: options.database,
        tracking_uri: ScriptedServer.uri(server),
        experiment_id: "7"
      )

      :ok = RunLogger.log(logger, %{loss: 1}, step: 3)
      assert {:ok, :delivered} = RunLogger.close(logger)
      assert %{"status" => "FINISHED"} = run = only_run(tracking)
      assert steps(run) == [1, 2, 3]
    end

    test "an instance that stops delivers what it can before" do
      {name, _server, tracking} = start()
      logger = logger!(name)
      for step <- 1..1_500, do: :ok = RunLogger.log(logger, %{loss: 1}, step: step)
      stop_instance(name)
      assert steps(only_run(tracking)) == Enum.to_list(1..1_500)
    end

    test "under a supervisor it has a name, and is not started again once closed" do
      {name, _server, tracking} = start()
      as = unique_name()
      start_supervised!({RunLogger, id: "nightly", as: as, name: name})
      :ok = RunLogger.log(as, %{loss: 1}, step: 1)
      killed = Process.whereis(as)
      Process.exit(killed, :kill)
      eventually(fn -> Process.whereis(as) not in [nil, killed] end)
      :ok = RunLogger.log(as, %{loss: 1}, step: 2)
      assert {:ok, :delivered} = RunLogger.close(as)
      assert %{"status" => "FINISHED"} = only_run(tracking)
      assert Process.whereis(as) == nil
    end
  end
end
