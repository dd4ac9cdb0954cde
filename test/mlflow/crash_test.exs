defmodule MLflow.CrashTest do
  # What is promised for `kill -9`: nothing lost, nothing twice.
  use MLflow.Case, async: true

  alias MLflow.{Native, OsProcess}

  @moduletag :slow

  @instance "MLflow.Test.Crash"

  defp code(database, uri, experiment, what) do
    """
    Logger.configure(level: :emergency)
    Application.put_env(:mlflow_sync, :default_instance, false)
    {:ok, _} = Application.ensure_all_started(:mlflow_sync)

    {:ok, _} =
      MLflow.start_link(
        name: #{@instance},
        database: #{inspect(database)},
        tracking_uri: #{inspect(uri)},
        experiment_id: #{inspect(experiment)},
        sync_interval: 0,
        total_timeout: 5_000,
        concurrency: 4
      )

    name = #{@instance}
    #{what}
    """
  end

  defp create_and_sync(n) do
    """
    ids = for n <- 1..#{n} do
      {:ok, trial} = MLflow.Trials.create(
        %{trial_id: "t\#{n}", status: :running, parameters: %{n: n}}, name: name)
      points = for step <- 1..20, do: {:loss, n / step, step}
      :ok = MLflow.Trials.log_metrics("t\#{n}", points, name: name)
      {:ok, _} = MLflow.Trials.update("t\#{n}", %{status: :succeeded, metrics: %{acc: n}}, name: name)
      trial.id
    end
    {:ok, _} = MLflow.SyncWorker.sync_trials_to_mlflow(ids, name: name)
    IO.puts("queued")
    :ok = MLflow.SyncWorker.drain(timeout: 60_000, name: name)
    IO.puts("drained")
    """
  end

  defp history(database, trial_id) do
    {:ok, store} = Native.store_open(database)
    {:ok, points} = Native.store(store, {:point_history, trial_id, nil})
    Native.store_close(store)
    Enum.map(points, fn {key, value, step, timestamp} -> {key, value, step, timestamp} end)
  end

  defp pushed(run) do
    for %{"key" => key, "value" => value, "step" => step, "timestamp" => timestamp} <-
          run["points"],
        do: {key, value, step, timestamp}
  end

  defp assert_one_complete_run_each(tracking, database, n) do
    runs = Tracking.runs(tracking)
    tagged = Enum.frequencies_by(runs, & &1["tags"]["thunderline_trial_id"])
    assert tagged == Map.new(1..n, &{"t#{&1}", 1})

    for run <- runs do
      assert run["status"] == "FINISHED"
      trial_id = run["tags"]["thunderline_trial_id"]
      assert run["params"] == %{"n" => String.trim_leading(trial_id, "t")}
      points = pushed(run)
      assert length(points) == 21
      assert Enum.sort(points) == Enum.sort(history(database, trial_id))
    end
  end

  for {operation, after_how_many} <- [
        {"runs/create", 5},
        {"runs/log-batch", 5},
        {"runs/update", 5}
      ] do
    test "a VM killed in the middle of #{operation} leaves one complete run per trial" do
      test = self()
      tracking = start_supervised!(Tracking)
      experiment = Tracking.add_experiment(tracking, "e")
      seen = :counters.new(1, [])

      # The request is acted upon, and its answer never arrives.
      server =
        start_server(fn request ->
          answer = Tracking.act(tracking, request)

          if request.operation == unquote(operation) do
            :counters.add(seen, 1, 1)
            if :counters.get(seen, 1) == unquote(after_how_many), do: {:hold, test}, else: answer
          else
            answer
          end
        end)

      database = tmp_path("crash.db")
      uri = ScriptedServer.uri(server)
      victim = OsProcess.start(code(database, uri, experiment, create_and_sync(40)))
      assert_receive {:held, connection, _}, 60_000
      OsProcess.kill(victim)
      assert_receive {:hung_up, ^connection}

      lines = OsProcess.run!(code(database, uri, experiment, OsProcess.finish_jobs()))
      assert "jobs %{completed: 40}" in lines
      assert_one_complete_run_each(tracking, database, 40)
    end
  end

  test "a VM killed while it records keeps everything that was answered" do
    database = tmp_path("crash.db")

    recorder = """
    for n <- 1..1_000_000 do
      {:ok, _} = MLflow.Trials.create(%{trial_id: "t\#{n}", metrics: %{a: n}}, name: name)
      {:ok, _} = MLflow.SyncWorker.sync_trial_to_mlflow("t\#{n}", schedule_in: 3_600, name: name)
      IO.puts("recorded \#{n}")
    end
    """

    victim = OsProcess.start(code(database, dead_uri(), "1", recorder))
    OsProcess.await_line(victim, "recorded 200")
    {lines, _} = OsProcess.kill(victim)

    last = for("recorded " <> n <- lines, do: String.to_integer(n)) |> Enum.max(fn -> 200 end)

    {:ok, store} = Native.store_open(database)

    for n <- 1..last do
      assert {:ok, %{"trial_id" => _}} = Native.store(store, {:find_trial, "t#{n}"})
      assert {:ok, [{"a", value, 0, _}]} = Native.store(store, {:point_history, "t#{n}", nil})
      assert value == n * 1.0
    end

    filter = %{instance: "Elixir." <> @instance, states: ["scheduled"], action: nil, limit: nil}
    {:ok, jobs} = Native.store(store, {:list_jobs, filter})
    queued = MapSet.new(jobs, & &1["args"]["trial_id"])
    assert Enum.all?(1..last, &MapSet.member?(queued, "t#{&1}"))
    Native.store_close(store)
  end

  test "two VMs on one file with one name share the work, and do none of it twice" do
    {server, tracking} = start_tracking()
    experiment = Tracking.add_experiment(tracking, "e")
    database = tmp_path("shared.db")
    uri = ScriptedServer.uri(server)

    one = OsProcess.start(code(database, uri, experiment, create_and_sync(60)))
    OsProcess.await_line(one, "queued")
    two = OsProcess.start(code(database, uri, experiment, OsProcess.finish_jobs()))
    assert {_, 0} = OsProcess.await_exit(one)
    assert {lines, 0} = OsProcess.await_exit(two)
    assert "jobs %{completed: 60}" in lines

    assert_one_complete_run_each(tracking, database, 60)
    assert Enum.count(ScriptedServer.operations(server), &(&1 == "runs/create")) == 60
  end
end
