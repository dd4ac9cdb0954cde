defmodule MLflow.LimitsTest do
  use MLflow.Case, async: true

  alias MLflow.{Client, Error, SyncWorker, Trials}

  @run_id "0123456789abcdef0123456789abcdef"

  defp serve(script, opts \\ []) do
    server = start_server(script)
    {server, start_instance([tracking_uri: ScriptedServer.uri(server)] ++ opts)}
  end

  # An instance whose server is not there, and where that will be.
  defp absent(opts \\ []) do
    port = ScriptedServer.free_port()
    {start_instance([tracking_uri: "http://127.0.0.1:#{port}"] ++ opts), port}
  end

  defp open_circuit(name) do
    for _ <- 1..5, do: assert_error(:connect, Client.get_run(@run_id, name: name))
    assert {:ok, %{circuit: {:open, ms}}} = Client.limits(name: name)
    ms
  end

  defp run, do: %{"run" => %{"info" => %{"run_id" => @run_id, "experiment_id" => "1"}}}

  describe "limits/1" do
    test "begins with what the settings say" do
      mlflow = %{entities: 1_000, metrics: 1_000, params: 100, tags: 100, bytes: 990_000}

      for {opts, expected} <- [
            {[], %{profile: :mlflow, batch: mlflow, rate: nil}},
            {[rate_limit: 20], %{profile: :mlflow, rate: 20.0}},
            {[server: :azure], %{profile: :azure, batch: %{mlflow | metrics: 200}, rate: nil}},
            {[server: :databricks], %{profile: :databricks, batch: mlflow, rate: 40.0}},
            {[tracking_uri: "https://adb-5.19.azuredatabricks.net", rate_limit: 5],
             %{profile: :databricks, rate: 5.0}},
            {[tracking_uri: "https://adb-5.19.azuredatabricks.net", server: :mlflow],
             %{profile: :mlflow, rate: nil}}
          ] do
        assert {:ok, limits} = Client.limits(name: start_instance(opts))
        assert Map.take(limits, Map.keys(expected)) == expected
        assert %{circuit: :closed, paused_for: 0} = limits
      end
    end

    test "answers for a disabled instance, and not for one that is not there" do
      name = start_instance(enabled: false)
      assert %{profile: :mlflow} = Client.limits!(name: name)
      assert_error(:config, Client.limits(name: :no_such_instance))
    end
  end

  describe "a batch that is too large" do
    test "arrives in parts, within one call" do
      {server, name} =
        serve(fn %{json: %{"metrics" => metrics}} ->
          if length(metrics) > 300, do: {413, [], "too large"}, else: {200, %{}}
        end)

      # The server counts, but complains of the size: bytes are what is halved, down to a few 100.
      points = for step <- 1..2_000, do: {String.duplicate("k", 250), 0.5, step}
      assert :ok = Client.log_batch_metrics(@run_id, points, name: name)

      assert {:ok, %{batch: %{bytes: bytes, entities: 1_000}}} = Client.limits(name: name)
      assert bytes < 990_000

      received =
        for %{json: %{"metrics" => metrics}} <- ScriptedServer.requests(server, "runs/log-batch"),
            length(metrics) <= 300,
            metric <- metrics,
            do: metric["step"]

      assert received == Enum.to_list(1..2_000)

      ScriptedServer.forget(server)
      assert :ok = Client.log_batch_metrics(@run_id, points, name: name)
      requests = ScriptedServer.requests(server)
      assert Enum.all?(requests, &(length(&1.json["metrics"]) <= 300))
    end

    test "keeps the first word about anything else" do
      refusal = ScriptedServer.error(400, "INVALID_PARAMETER_VALUE", "a key is not to my liking")
      {server, name} = serve([refusal])
      points = for step <- 1..500, do: {:loss, 0.5, step}
      error = assert_error(:invalid, Client.log_batch_metrics(@run_id, points, name: name))
      assert error.message =~ "not to my liking"
      assert length(ScriptedServer.requests(server)) == 1
    end
  end

  describe "a server that wants fewer requests" do
    test "gets none from anybody until then" do
      wait = {429, [{"retry-after", "2"}], ~s({"error_code": "REQUEST_LIMIT_EXCEEDED"})}
      {server, name} = serve([wait, {200, run()}])

      first = assert_error(:rate_limited, Client.get_run(@run_id, name: name))
      assert %{attempts: 1, retry_after: 2_000} = first

      held = assert_error(:rate_limited, Client.get_run(@run_id, total_timeout: 50, name: name))
      assert held.attempts == 0
      assert held.retry_after in 1..2_000

      assert {:ok, %{paused_for: paused, rate: rate}} = Client.limits(name: name)
      assert paused in 1..2_000
      assert is_float(rate)

      assert {:ok, _} = Client.get_run(@run_id, name: name)
      assert length(ScriptedServer.requests(server)) == 2
    end

    test "makes jobs wait, and none of them loses an attempt" do
      wait = {429, [{"retry-after", "1"}], ~s({"error_code": "REQUEST_LIMIT_EXCEEDED"})}
      told = :counters.new(1, [])

      create = fn _request ->
        :counters.add(told, 1, 1)
        if :counters.get(told, 1) == 1, do: wait, else: :pass
      end

      {server, tracking} = start_tracking(%{"runs/create" => create})
      experiment = Tracking.add_experiment(tracking, "e")

      name =
        start_instance(
          tracking_uri: ScriptedServer.uri(server),
          experiment_id: experiment,
          total_timeout: 900,
          max_attempts: 1
        )

      jobs = push_trials(6, name)

      for job <- jobs do
        assert {:ok, %{state: :completed, attempt: 1}} = SyncWorker.await(job, name: name)
      end

      assert length(Tracking.runs(tracking)) == 6
    end

    test "is sent no more than rate_limit allows" do
      {_server, name} = serve(fn _ -> {200, run()} end, rate_limit: 10)
      started = System.monotonic_time(:millisecond)

      1..15
      |> Task.async_stream(fn _ -> Client.get_run!(@run_id, name: name) end, max_concurrency: 15)
      |> Stream.run()

      # Ten at once, and the rest at a tenth of a second each.
      assert System.monotonic_time(:millisecond) - started >= 450
    end
  end

  describe "a server that is not there" do
    test "is soon not asked any more, which the error explains" do
      {name, _port} = absent()
      assert open_circuit(name) in 0..2_000
      error = assert_error(:connect, Client.get_run(@run_id, name: name))
      assert %Error{attempts: 0, retryable: true, retry_after: ms} = error
      assert ms in 1..2_000
      assert error.message =~ ~r/not answered 5 times in a row.*refused.*tried again in/
    end

    test "hurts nobody who asks something else in between" do
      {server, name} = serve(fn _ -> ScriptedServer.error(500, "INTERNAL_ERROR") end)
      for _ <- 1..20, do: assert_error(:server, Client.get_run(@run_id, name: name))
      assert length(ScriptedServer.requests(server)) == 20
      assert {:ok, %{circuit: :closed}} = Client.limits(name: name)
    end

    test "is found again by health/1 at once" do
      {name, port} = absent()
      open_circuit(name)
      assert_error(:connect, Client.health(name: name))

      tracking = start_supervised!({Tracking, []})
      start_server(Tracking.script(tracking), port: port)
      assert {:ok, %{version: "3.17.2"}} = Client.health(name: name)
      assert {:ok, %{circuit: :closed}} = Client.limits(name: name)
      assert_error(:not_found, Client.get_run(@run_id, name: name))
    end

    test "is waited for by wait_for_ready/1" do
      {name, port} = absent()
      open_circuit(name)
      waiting = Task.async(fn -> Client.wait_for_ready(name: name, timeout: 10_000) end)

      tracking = start_supervised!({Tracking, []})
      start_server(Tracking.script(tracking), port: port)
      assert {:ok, %{version: "3.17.2"}} = Task.await(waiting, 15_000)
      assert_error(:not_found, Client.get_run(@run_id, name: name))
    end

    test "is found again by itself" do
      {name, port} = absent()
      open_circuit(name)
      start_server(fn _ -> {200, run()} end, port: port)
      assert eventually(fn -> match?({:ok, _}, Client.get_run(@run_id, name: name)) end)
    end

    test "loses no job, and gets them all soon after its return" do
      {name, port} = absent(experiment_id: "1", max_attempts: 2)
      jobs = push_trials(40, name)

      eventually(fn -> match?({:ok, %{circuit: {:open, _}}}, Client.limits(name: name)) end)
      # Each has found the circuit open, some of them twice.
      eventually(fn ->
        {:ok, jobs} = SyncWorker.jobs(name: name)
        Enum.all?(jobs, &(&1.errors != []))
      end)

      tracking = start_supervised!({Tracking, []})
      "1" = Tracking.add_experiment(tracking, "e")
      start_server(Tracking.script(tracking), port: port)
      back = System.monotonic_time(:millisecond)

      for job <- jobs do
        assert {:ok, %{state: :completed}} = SyncWorker.await(job, name: name, timeout: 20_000)
      end

      assert System.monotonic_time(:millisecond) - back < 10_000
      assert length(Tracking.runs(tracking)) == 40
    end
  end

  describe "a server that never answers" do
    test "does not keep a thousand calls, nor gets them" do
      test = self()
      {server, name} = serve(fn _ -> {:hold, test} end, request_timeout: 1_000)
      started = System.monotonic_time(:millisecond)

      errors =
        1..1_000
        |> Task.async_stream(fn _ -> Client.get_run(@run_id, name: name) end,
          max_concurrency: 20,
          timeout: 10_000
        )
        |> Enum.map(fn {:ok, {:error, error}} -> error end)

      assert System.monotonic_time(:millisecond) - started < 5_000
      assert Enum.all?(errors, &(&1.kind in [:timeout, :connect] and &1.retryable))
      assert length(ScriptedServer.requests(server)) <= 25
    end
  end

  defp push_trials(count, name) do
    ids =
      for n <- 1..count do
        {:ok, trial} = Trials.create(%{trial_id: "t#{n}", status: :succeeded}, name: name)
        trial.id
      end

    {:ok, jobs} = SyncWorker.sync_trials_to_mlflow(ids, name: name)
    jobs
  end
end
