defmodule MLflow.OutboxTest do
  use MLflow.Case, async: true

  alias MLflow.{Outbox, RunLogger}

  defp start(overrides) do
    {server, tracking} = start_tracking(overrides)
    name = start_instance(tracking_uri: ScriptedServer.uri(server), experiment_id: "7")
    {name, server, tracking}
  end

  defp logger!(name, opts \\ []) do
    {:ok, logger} = RunLogger.start_link([name: name] ++ opts)
    logger
  end

  defp refusing(fun) do
    refuse = fn request ->
      entities = Enum.flat_map(~w(metrics params tags), &(request.json[&1] || []))

      if Enum.any?(entities, fun),
        do: ScriptedServer.error(400, "INVALID_PARAMETER_VALUE", "not this one"),
        else: :pass
    end

    %{"runs/log-batch" => refuse}
  end

  defp steps(run), do: Enum.map(run["points"], & &1["step"])

  describe "status" do
    test "of an instance that never logged is empty, and makes no folder" do
      name = start_instance()
      assert {:ok, status} = Outbox.status(name: name)
      assert status == %{points: 0, bytes: 0, oldest: nil, loggers: []}
      refute File.exists?(MLflow.config!(name: name).outbox)
      assert :ok = Outbox.flush(name: name)
    end

    test "shows what waits, since when and why" do
      name = start_instance()
      {:ok, _} = MLflow.Trials.create(%{trial_id: "t1"}, name: name)
      {:ok, %{id: trial}} = MLflow.Trials.get("t1", name: name)
      own = logger!(name, id: "mine")
      of_trial = logger!(name, trial: "t1")
      for step <- 1..3, do: :ok = RunLogger.log(own, %{loss: 1}, step: step)
      :ok = RunLogger.log(of_trial, %{loss: 1})
      assert_error(:timeout, Outbox.flush(timeout: 50, name: name))

      assert {:ok, status} =
               eventually(fn ->
                 with {:ok, %{loggers: loggers}} = answer <- Outbox.status(name: name),
                      true <- Enum.all?(loggers, & &1.error),
                      do: answer
               end)

      assert %{points: 4, bytes: bytes, oldest: oldest, loggers: [one, two]} = status
      assert %{id: "mine", waiting: 3, trial: nil, run_id: nil, rejected: 0} = one
      assert %{id: ^trial, trial: ^trial, waiting: 1, error: %{kind: :connect}} = two
      assert bytes == one.bytes + two.bytes and bytes > 100
      assert oldest == max(one.oldest_age_ms, two.oldest_age_ms) and oldest in 0..60_000
      assert File.dir?(one.folder)
    end
  end

  describe "what MLflow refuses" do
    test "is put aside with its reason, and the rest is delivered in order" do
      {name, server, tracking} = start(refusing(&(&1["value"] == 13.0 or &1["value"] == "bad")))

      logger = logger!(name, id: "mine")
      :ok = RunLogger.log_params(logger, a: 1, b: "bad")
      :ok = RunLogger.set_tags(logger, x: "old")
      :ok = RunLogger.log(logger, for(n <- 1..1_500, do: {:loss, n, n, n}))
      :ok = RunLogger.set_tags(logger, x: "new")
      error = assert_error(:invalid, RunLogger.flush(logger))
      assert error.message =~ "2 entries"

      [run] = Tracking.runs(tracking)
      assert steps(run) == Enum.to_list(1..1_500) -- [13]
      assert run["params"] == %{"a" => "1"}
      assert run["tags"]["x"] == "new"

      assert {:ok, [param, metric]} = Outbox.rejected("mine", name: name)
      assert %{entry: {:param, "b", "bad"}, kind: "invalid"} = param
      assert %{entry: {:metric, "loss", 13.0, 13, 13}, rejected_at: at} = metric
      assert metric.message =~ "not this one"
      assert_in_delta at, System.system_time(:millisecond), 60_000

      # Two entries among a thousand, found by halving.
      assert length(ScriptedServer.requests(server, "runs/log-batch")) < 50
    end

    test "for its key costs a few requests, however often it was logged" do
      refuse = fn request ->
        if Enum.any?(request.json["metrics"], &(&1["key"] == "acc@5")),
          do: ScriptedServer.error(400, "INVALID_PARAMETER_VALUE", "no such name: acc@5"),
          else: :pass
      end

      {name, server, tracking} = start(%{"runs/log-batch" => refuse})
      logger = logger!(name, id: "mine")

      for step <- 1..250,
          do: :ok = RunLogger.log(logger, [a: 1, b: 2, c: 3] ++ [{"acc@5", 4}], step: step)

      assert_error(:invalid, RunLogger.flush(logger))
      [run] = Tracking.runs(tracking)
      assert length(run["points"]) == 750
      assert {:ok, rejected} = Outbox.rejected("mine", name: name)

      assert for(%{entry: {:metric, "acc@5", 4.0, step, _}} <- rejected, do: step) ==
               Enum.to_list(1..250)

      assert length(ScriptedServer.requests(server, "runs/log-batch")) < 30
    end

    test "stays to be seen after the logger is closed, until it is discarded" do
      {name, _server, tracking} = start(refusing(&(&1["key"] == "bad")))
      logger = logger!(name, id: "mine")
      :ok = RunLogger.log(logger, good: 1, bad: 2)
      assert {:ok, :delivered} = RunLogger.close(logger)
      assert [%{"status" => "FINISHED"}] = Tracking.runs(tracking)
      assert {:ok, %{points: 0, loggers: [%{rejected: 1}]}} = Outbox.status(name: name)

      :ok = Outbox.discard("mine", name: name)
      eventually(fn -> match?({:ok, %{loggers: []}}, Outbox.status(name: name)) end)
      assert_error(:not_found, Outbox.rejected("mine", name: name))
    end

    test "of a status is put aside too" do
      refuse = fn _ -> ScriptedServer.error(400, "INVALID_PARAMETER_VALUE", "no such status") end
      {name, _server, tracking} = start(%{"runs/update" => refuse})
      logger = logger!(name, id: "mine")
      :ok = RunLogger.log(logger, %{loss: 1}, step: 1)
      assert {:ok, :delivered} = RunLogger.close(logger)
      assert [%{"status" => "RUNNING"} = run] = Tracking.runs(tracking)
      assert steps(run) == [1]
      assert {:ok, [%{entry: {:status, :finished, _}}]} = Outbox.rejected("mine", name: name)
    end
  end

  describe "a log that cannot be delivered as things are" do
    test "is parked while its run is deleted, and goes on when that is restored" do
      tracking = start_supervised!(Tracking)
      id = Tracking.add_run(tracking, "7", %{"lifecycle_stage" => "deleted"})

      # As MLflow answers it, with the same code as for what it will not take.
      of_deleted = fn _request ->
        case Tracking.runs(tracking) do
          [%{"lifecycle_stage" => "deleted"}] ->
            ScriptedServer.error(400, "INVALID_PARAMETER_VALUE", "must be in the active state")

          _ ->
            :pass
        end
      end

      server = start_server(Tracking.script(tracking, %{"runs/log-batch" => of_deleted}))
      name = start_instance(tracking_uri: ScriptedServer.uri(server))
      logger = logger!(name, run_id: id)
      for step <- 1..10, do: :ok = RunLogger.log(logger, %{loss: 1}, step: step)
      error = assert_error(:timeout, RunLogger.flush(logger, timeout: 1_000))
      assert error.message =~ "was deleted in MLflow"
      assert {:ok, %{loggers: [%{error: error} = log]}} = Outbox.status(name: name)
      assert %{kind: :not_found, retryable: false} = error
      assert %{waiting: 10, rejected: 0} = log

      # It is left alone for minutes, but not when somebody asks.
      asked = length(ScriptedServer.requests(server))
      :ok = RunLogger.log(logger, for(step <- 11..1_500, do: {:loss, 1, step, step}))
      assert length(ScriptedServer.requests(server)) == asked
      Tracking.change_run(tracking, id, &Map.put(&1, "lifecycle_stage", "active"))
      assert :ok = Outbox.flush(name: name)
      assert [run] = Tracking.runs(tracking)
      assert steps(run) == Enum.to_list(1..1_500)
      assert {:ok, %{loggers: [%{error: nil}]}} = Outbox.status(name: name)
    end

    test "is given up by whoever decides so, and its logger logs on" do
      {name, _server, _tracking} = start(%{})
      gone = String.duplicate("f", 32)
      logger = logger!(name, run_id: gone)
      for step <- 1..10, do: :ok = RunLogger.log(logger, %{loss: 1}, step: step)
      assert_error(:timeout, RunLogger.flush(logger, timeout: 500))
      assert {:ok, %{loggers: [%{id: ^gone, waiting: 10}]}} = Outbox.status(name: name)
      assert_error(:not_found, Outbox.discard("another", name: name))
      assert :ok = Outbox.discard(gone, name: name)
      assert {:ok, %{points: 0, bytes: 0}} = Outbox.status(name: name)
      assert :ok = RunLogger.log(logger, %{loss: 1})
      assert {:ok, %{points: 1}} = Outbox.status(name: name)
    end

    test "keeps no other from being delivered" do
      refuse = fn
        %{json: %{"run_id" => "f" <> _}} -> ScriptedServer.error(401, "UNAUTHENTICATED")
        _ -> :pass
      end

      {name, _server, tracking} = start(%{"runs/log-batch" => refuse})
      parked = logger!(name, run_id: String.duplicate("f", 32))
      fine = logger!(name, run_id: Tracking.add_run(tracking, "7"))
      for logger <- [parked, fine], do: :ok = RunLogger.log(logger, %{loss: 1})
      assert :ok = RunLogger.flush(fine)
      assert_error(:timeout, RunLogger.flush(parked, timeout: 500))
      assert {:ok, %{loggers: [one, two]}} = Outbox.status(name: name)
      assert %{error: %{kind: :unauthenticated}, waiting: 1} = one
      assert %{error: nil, waiting: 0} = two
    end
  end

  describe "a VM that is killed" do
    @describetag :slow

    @instance "MLflow.Test.OutboxCrash"

    defp code(database, what) do
      """
      Logger.configure(level: :emergency)
      Application.put_env(:mlflow_sync, :default_instance, false)
      {:ok, _} = Application.ensure_all_started(:mlflow_sync)
      {:ok, _} = MLflow.start_link(name: #{@instance}, database: #{inspect(database)},
        tracking_uri: #{inspect(dead_uri())}, experiment_id: "7", sync_interval: 0)
      {:ok, logger} = MLflow.RunLogger.start_link(name: #{@instance})
      #{what}
      """
    end

    defp deliver_what_is_left(database) do
      {server, tracking} = start_tracking()

      start_instance(
        name: Module.concat([@instance]),
        database: database,
        tracking_uri: ScriptedServer.uri(server),
        experiment_id: "7"
      )

      eventually(
        fn -> match?({:ok, %{loggers: []}}, Outbox.status(name: Module.concat([@instance]))) end,
        20_000
      )

      Tracking.runs(tracking)
    end

    test "while it logs keeps every point that was answered, once, and ends the run" do
      database = tmp_path("mlflow.db")

      victim =
        MLflow.OsProcess.start(
          code(database, """
          Enum.each(1..1_000_000, fn step ->
            :ok = MLflow.RunLogger.log(logger, %{loss: step}, step: step)
            IO.puts("logged \#{step}")
          end)
          """)
        )

      MLflow.OsProcess.await_line(victim, "logged 2000")
      {lines, _} = MLflow.OsProcess.kill(victim)
      last = for("logged " <> n <- lines, do: String.to_integer(n)) |> Enum.max(fn -> 2_000 end)

      assert [%{"status" => "FAILED", "end_time" => ended} = run] = deliver_what_is_left(database)
      found = steps(run)
      assert found == Enum.to_list(1..length(found))
      assert length(found) >= last
      assert_in_delta ended, System.system_time(:millisecond), 60_000
    end

    test "is no hindrance to another one on the same folder, which takes over" do
      database = tmp_path("mlflow.db")

      victim =
        MLflow.OsProcess.start(
          code(database, """
          :ok = MLflow.RunLogger.log(logger, for(step <- 1..5_000, do: {:loss, 1, step}))
          IO.puts("ready")
          Process.sleep(:infinity)
          """)
        )

      MLflow.OsProcess.await_line(victim, "ready")
      {server, tracking} = start_tracking()
      name = Module.concat([@instance])
      uri = ScriptedServer.uri(server)
      start_instance(name: name, database: database, tracking_uri: uri, experiment_id: "7")
      logger = logger!(name)
      :ok = RunLogger.log(logger, %{loss: 1}, step: 1)
      assert {:ok, :delivered} = RunLogger.close(logger)
      assert [run] = Tracking.runs(tracking)
      assert steps(run) == [1]

      MLflow.OsProcess.kill(victim)
      # Looking is what finds it here; else it is found within half a minute.
      eventually(
        fn ->
          {:ok, _} = Outbox.status(name: name)
          match?([_, %{"status" => "FAILED"}], Tracking.runs(tracking))
        end,
        10_000
      )

      assert [_, run] = Tracking.runs(tracking)
      assert steps(run) == Enum.to_list(1..5_000)
    end
  end

  @tag :slow
  @tag timeout: 300_000
  test "of a million points that were logged without a server none is lost" do
    database = tmp_path("mlflow.db")
    name = start_instance(database: database)
    logger = logger!(name)
    for step <- 1..1_000_000, do: :ok = RunLogger.log(logger, %{loss: 0.5}, step: step)
    assert {:ok, :waiting} = RunLogger.close(logger, timeout: 0)
    stop_instance(name)

    test = self()
    tracking = start_supervised!(Tracking)

    # Looked at as it comes, and not kept.
    take = fn request ->
      send(test, {:steps, Enum.map(request.json["metrics"], & &1["step"])})
      {200, %{}}
    end

    server = start_server(Tracking.script(tracking, %{"runs/log-batch" => take}))
    uri = ScriptedServer.uri(server)
    start_instance(name: name, database: database, tracking_uri: uri, experiment_id: "7")

    last =
      Enum.reduce(1..1_000, 0, fn _, last ->
        assert_receive {:steps, steps}, 60_000
        ScriptedServer.forget(server)
        assert steps == Enum.to_list((last + 1)..(last + 1_000))
        last + 1_000
      end)

    assert last == 1_000_000
    eventually(fn -> match?({:ok, %{loggers: []}}, Outbox.status(name: name)) end)
    assert [%{"status" => "FINISHED"}] = Tracking.runs(tracking)
  end
end
