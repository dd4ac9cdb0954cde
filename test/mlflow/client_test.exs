defmodule MLflow.ClientTest do
  use MLflow.Case, async: true

  alias MLflow.{Client, Error, Experiment, Metric, Run}

  @run_id "0123456789abcdef0123456789abcdef"
  @at 1_700_000_000_000

  # An instance that speaks to a server with this script.
  defp serve(script, opts \\ []) do
    server = start_server(script)
    {server, start_instance([tracking_uri: ScriptedServer.uri(server)] ++ opts)}
  end

  defp wire_run(run_id, attrs \\ %{}) do
    %{"info" => Map.merge(%{"run_id" => run_id, "experiment_id" => "1"}, attrs), "data" => %{}}
  end

  defp run_id(n), do: n |> Integer.to_string() |> String.pad_leading(32, "0")

  describe "requests" do
    test "create_experiment sends name, location and tags" do
      {server, name} = serve([{200, %{"experiment_id" => "7"}}])

      assert {:ok, %Experiment{experiment_id: "7", name: "iris", tags: %{"team" => "a"}}} =
               Client.create_experiment("iris",
                 artifact_location: "s3://b",
                 tags: [team: :a],
                 name: name
               )

      assert [%{method: "POST", operation: "experiments/create", json: json}] =
               ScriptedServer.requests(server)

      assert json == %{
               "name" => "iris",
               "artifact_location" => "s3://b",
               "tags" => [%{"key" => "team", "value" => "a"}]
             }
    end

    test "of experiments take ids as integers or strings" do
      {server, name} = serve(fn _ -> {200, %{"experiment" => %{"experiment_id" => "7"}}} end)

      assert {:ok, %Experiment{experiment_id: "7"}} = Client.get_experiment(7, name: name)
      assert {:ok, _} = Client.get_experiment("7", name: name)
      assert {:ok, _} = Client.get_experiment_by_name("a b&c", name: name)
      assert :ok = Client.update_experiment(7, "new", name: name)
      assert :ok = Client.delete_experiment(7, name: name)
      assert :ok = Client.restore_experiment(7, name: name)
      assert :ok = Client.set_experiment_tag(7, :team, [1, 2], name: name)

      sent =
        for r <- ScriptedServer.requests(server), do: {r.method, r.operation, r.json || r.query}

      assert sent == [
               {"GET", "experiments/get", %{"experiment_id" => "7"}},
               {"GET", "experiments/get", %{"experiment_id" => "7"}},
               {"GET", "experiments/get-by-name", %{"experiment_name" => "a b&c"}},
               {"POST", "experiments/update", %{"experiment_id" => "7", "new_name" => "new"}},
               {"POST", "experiments/delete", %{"experiment_id" => "7"}},
               {"POST", "experiments/restore", %{"experiment_id" => "7"}},
               {"POST", "experiments/set-experiment-tag",
                %{"experiment_id" => "7", "key" => "team", "value" => "[1,2]"}}
             ]
    end

    test "an experiment id that is neither is refused" do
      assert_raise ArgumentError, ~r/an experiment id must be a string.*, got :seven/, fn ->
        Client.get_experiment(:seven)
      end
    end

    test "create_run sends what it was given, and the time" do
      {server, name} = serve(fn _ -> {200, %{"run" => wire_run(@run_id)}} end)
      before = System.system_time(:millisecond)

      assert {:ok, %Run{run_id: @run_id}} =
               Client.create_run(1,
                 run_name: "first",
                 start_time: ~U[2023-11-14 22:13:20Z],
                 user_id: "me",
                 tags: %{"k" => 1},
                 name: name
               )

      assert {:ok, _} = Client.create_run("1", name: name)
      assert [%{json: first}, %{json: second}] = ScriptedServer.requests(server)

      assert first == %{
               "experiment_id" => "1",
               "run_name" => "first",
               "start_time" => @at,
               "user_id" => "me",
               "tags" => [%{"key" => "k", "value" => "1"}]
             }

      assert second["start_time"] in before..System.system_time(:millisecond)
      refute Map.has_key?(second, "run_name")
    end

    test "update_run takes a status, or changes" do
      {server, name} = serve(fn _ -> {200, %{}} end)
      before = System.system_time(:millisecond)

      assert :ok = Client.update_run(@run_id, :finished, name: name)
      assert :ok = Client.update_run(@run_id, "RUNNING", name: name)
      assert :ok = Client.update_run(@run_id, [run_name: "best"], name: name)
      assert :ok = Client.update_run(@run_id, %{status: :killed, end_time: @at}, name: name)
      assert :ok = Client.update_run(@run_id, :failed, end_time: @at, name: name)

      assert [finished, running, named, killed, failed] =
               for(r <- ScriptedServer.requests(server), do: Map.delete(r.json, "run_id"))

      assert %{"status" => "FINISHED", "end_time" => ended} = finished
      assert ended in before..System.system_time(:millisecond)
      assert running == %{"status" => "RUNNING"}
      assert named == %{"run_name" => "best"}
      assert killed == %{"status" => "KILLED", "end_time" => @at}
      assert failed == %{"status" => "FAILED", "end_time" => @at}
    end

    test "a status that is none is refused with those there are" do
      assert_raise ArgumentError, ~r/one of \[:scheduled, :running, .*got :done/, fn ->
        Client.update_run(@run_id, :done)
      end
    end

    test "metrics, params and tags take atoms and strings as keys" do
      {server, name} = serve(fn _ -> {200, %{}} end)

      assert :ok = Client.log_metric(@run_id, :loss, 0.5, step: 2, timestamp: @at, name: name)
      assert :ok = Client.log_metric(@run_id, "loss", 1, timestamp: @at, name: name)
      assert :ok = Client.log_param(@run_id, :lr, 0.1, name: name)
      assert :ok = Client.log_param(@run_id, "layers", [64, 32], name: name)
      assert :ok = Client.set_tag(@run_id, :team, "a", name: name)
      assert :ok = Client.delete_tag(@run_id, :team, name: name)
      assert :ok = Client.delete_run(@run_id, name: name)
      assert :ok = Client.restore_run(@run_id, name: name)

      sent =
        for r <- ScriptedServer.requests(server),
            do: {r.operation, Map.delete(r.json, "run_id")}

      assert sent == [
               {"runs/log-metric",
                %{"key" => "loss", "value" => 0.5, "step" => 2, "timestamp" => @at}},
               {"runs/log-metric",
                %{"key" => "loss", "value" => 1.0, "step" => 0, "timestamp" => @at}},
               {"runs/log-parameter", %{"key" => "lr", "value" => "0.1"}},
               {"runs/log-parameter", %{"key" => "layers", "value" => "[64,32]"}},
               {"runs/set-tag", %{"key" => "team", "value" => "a"}},
               {"runs/delete-tag", %{"key" => "team"}},
               {"runs/delete", %{}},
               {"runs/restore", %{}}
             ]
    end

    test "the special values travel in MLflow's spelling" do
      {server, name} = serve(fn _ -> {200, %{}} end)

      assert :ok =
               Client.log_batch_metrics(
                 @run_id,
                 [{:a, :nan}, {:b, :infinity}, {:c, :neg_infinity}],
                 timestamp: @at,
                 name: name
               )

      assert [%{json: %{"metrics" => metrics}}] = ScriptedServer.requests(server)
      assert Enum.map(metrics, & &1["value"]) == ["NaN", "Infinity", "-Infinity"]
    end

    test "log_batch sends everything in one request, and nothing for nothing" do
      {server, name} = serve(fn _ -> {200, %{}} end)

      batch = [params: %{lr: 0.1}, tags: [team: "a"], metrics: [{:loss, 0.5, 1, @at}]]
      assert :ok = Client.log_batch(@run_id, batch, name: name)
      assert :ok = Client.log_batch(@run_id, %{}, name: name)
      assert :ok = Client.log_batch_params(@run_id, [lr: 0.1], name: name)

      assert [%{json: all}, %{json: params}] = ScriptedServer.requests(server)

      assert all == %{
               "run_id" => @run_id,
               "params" => [%{"key" => "lr", "value" => "0.1"}],
               "tags" => [%{"key" => "team", "value" => "a"}],
               "metrics" => [%{"key" => "loss", "value" => 0.5, "step" => 1, "timestamp" => @at}]
             }

      assert params["params"] == all["params"]
    end

    test "log_batch keeps within MLflow's limits, with as few requests as they allow" do
      {server, name} = serve(fn _ -> {200, %{}} end)

      metrics = for n <- 1..2_500, do: {"m", n, n, @at}
      params = for n <- 1..250, do: {"p#{n}", n}
      assert :ok = Client.log_batch(@run_id, [metrics: metrics, params: params], name: name)

      sent = for r <- ScriptedServer.requests(server), do: r.json
      assert length(sent) == 3

      for json <- sent do
        assert length(json["params"]) <= 100
        assert length(json["metrics"]) + length(json["params"]) <= 1000
      end

      assert Enum.flat_map(sent, & &1["metrics"]) |> Enum.map(& &1["step"]) ==
               Enum.to_list(1..2_500)

      assert Enum.flat_map(sent, & &1["params"]) |> length() == 250
    end

    test "carry credentials, the workspace and the address's prefix" do
      server = start_server(fn _ -> {200, [], "3.17.2"} end)
      address = ScriptedServer.uri(server)
      "http://" <> host = address

      for {opts, header, value} <- [
            {[username: "me", password: "pw"], "authorization",
             "Basic " <> Base.encode64("me:pw")},
            {[tracking_uri: "http://me:pw@" <> host], "authorization",
             "Basic " <> Base.encode64("me:pw")},
            {[token: "tk"], "authorization", "Bearer tk"},
            {[token: fn -> "from a function" end], "authorization", "Bearer from a function"},
            {[token: {Enum, :join, [["t", "k"]]}], "authorization", "Bearer tk"},
            {[token: "tk", username: "me"], "authorization", "Basic " <> Base.encode64("me:")},
            {[token: fn -> "tk" end, auth: :none], "authorization", nil},
            {[workspace: "team"], "x-mlflow-workspace", "team"},
            {[], "authorization", nil}
          ] do
        name = start_instance([tracking_uri: address] |> Keyword.merge(opts))
        ScriptedServer.forget(server)
        assert {:ok, "3.17.2"} = Client.version(name: name)
        assert [request] = ScriptedServer.requests(server)
        assert request.headers[header] == value
      end

      name = start_instance(tracking_uri: address <> "/some/prefix/")
      ScriptedServer.forget(server)
      assert {:ok, "3.17.2"} = Client.version(name: name)
      assert [%{path: "/some/prefix/version"}] = ScriptedServer.requests(server)
    end
  end

  describe "answers" do
    test "a run is read with all it holds" do
      answer = %{
        "run" => %{
          "info" => %{
            "run_id" => @run_id,
            "experiment_id" => "1",
            "run_name" => "first",
            "status" => "FINISHED",
            "start_time" => "1700000000000",
            "end_time" => @at,
            "artifact_uri" => "s3://b",
            "lifecycle_stage" => "deleted",
            "user_id" => "me"
          },
          "data" => %{
            "params" => [%{"key" => "lr", "value" => "0.1"}],
            "tags" => [%{"key" => "team", "value" => "a"}],
            "metrics" => [
              %{"key" => "loss", "value" => 0.5, "step" => "3", "timestamp" => @at},
              %{"key" => "odd", "value" => "NaN", "step" => 1, "timestamp" => @at},
              %{"key" => "big", "value" => "Infinity", "step" => 1, "timestamp" => @at}
            ]
          }
        }
      }

      {_, name} = serve([{200, answer}])
      assert {:ok, run} = Client.get_run(@run_id, name: name)

      assert %Run{
               name: "first",
               status: :finished,
               start_time: @at,
               end_time: @at,
               artifact_uri: "s3://b",
               lifecycle_stage: :deleted,
               user_id: "me",
               params: %{"lr" => "0.1"},
               tags: %{"team" => "a"},
               metrics: %{"loss" => 0.5, "odd" => :nan, "big" => :infinity}
             } = run

      assert %Metric{key: "loss", value: 0.5, step: 3, timestamp: @at} in run.latest_metrics
    end

    test "names that a server invents stay strings" do
      info = %{"status" => "PAUSED_BY_NOBODY", "lifecycle_stage" => "frozen_solid"}
      {_, name} = serve([{200, %{"run" => wire_run(@run_id, info)}}])

      assert {:ok, %Run{status: "PAUSED_BY_NOBODY", lifecycle_stage: "frozen_solid"}} =
               Client.get_run(@run_id, name: name)
    end

    test "a history comes over all its pages, by step and time, each point once" do
      point = fn step, at ->
        %{"key" => "m", "value" => 1.0, "step" => step, "timestamp" => at}
      end

      {server, name} =
        serve(fn request ->
          case request.query["page_token"] do
            nil ->
              {200, %{"metrics" => [point.(2, 5), point.(1, 9)], "next_page_token" => "a"}}

            "a" ->
              {200, %{"metrics" => [point.(1, 9), point.(1, 3)], "next_page_token" => "b"}}

            "b" ->
              {200, %{"metrics" => [point.(0, 1)]}}
          end
        end)

      assert {:ok, points} = Client.get_metric_history(@run_id, :m, name: name)
      assert Enum.map(points, &{&1.step, &1.timestamp}) == [{0, 1}, {1, 3}, {1, 9}, {2, 5}]

      assert for(r <- ScriptedServer.requests(server), do: r.query["max_results"]) ==
               ["25000", "25000", "25000"]
    end

    test "a history whose token repeats is an error, and not endless" do
      point = %{"key" => "m", "value" => 1.0, "step" => 1, "timestamp" => 1}
      {_, name} = serve(fn _ -> {200, %{"metrics" => [point], "next_page_token" => "same"}} end)

      error = assert_error(:bad_response, Client.get_metric_history(@run_id, :m, name: name))
      assert error.message =~ "do not end"
    end
  end

  describe "search_runs" do
    setup do
      {server, name} =
        serve(fn request ->
          case request.json["page_token"] do
            nil -> page([1, 2], "a")
            "a" -> page([2, 3], "b")
            "b" -> page([4], nil)
          end
        end)

      %{server: server, name: name}
    end

    defp page(numbers, token) do
      next = if token, do: %{"next_page_token" => token}, else: %{}
      {200, Map.put(next, "runs", Enum.map(numbers, &wire_run(run_id(&1))))}
    end

    test "asks for nothing until somebody wants it", %{server: server, name: name} do
      stream = Client.search_runs("1", name: name)
      assert ScriptedServer.requests(server) == []
      assert [%Run{}] = Enum.take(stream, 1)
      assert length(ScriptedServer.requests(server)) == 1
    end

    test "goes on to the last page, and passes a repeated run on once", context do
      runs = Client.search_runs("1", name: context.name) |> Enum.map(& &1.run_id)
      assert runs == Enum.map(1..4, &run_id/1)
      assert length(ScriptedServer.requests(context.server)) == 3
    end

    test "can be read again from the beginning", %{name: name} do
      stream = Client.search_runs("1", name: name)
      assert Enum.count(stream) == 4
      assert Enum.count(stream) == 4
    end

    test "sends its criteria with every page", %{server: server, name: name} do
      Client.search_runs(["1", 2],
        filter: "metrics.a > 1",
        order_by: "metrics.a DESC",
        view_type: :all,
        max_results: 2,
        name: name
      )
      |> Stream.run()

      assert [first, second, _third] = for(r <- ScriptedServer.requests(server), do: r.json)

      assert first == %{
               "experiment_ids" => ["1", "2"],
               "filter" => "metrics.a > 1",
               "order_by" => ["metrics.a DESC"],
               "run_view_type" => "ALL",
               "max_results" => 2
             }

      assert second == Map.put(first, "page_token", "a")
    end

    test "raises where a page cannot be read" do
      {_, name} = serve([ScriptedServer.error(403, "PERMISSION_DENIED", "not yours")])

      assert_raise Error, ~r/not yours/, fn ->
        Enum.to_list(Client.search_runs("1", name: name))
      end
    end

    test "raises when a token repeats" do
      {server, name} = serve(fn _ -> {200, %{"runs" => [], "next_page_token" => "same"}} end)

      assert_raise Error, ~r/repeated a page token/, fn ->
        Enum.to_list(Client.search_runs("1", name: name))
      end

      assert length(ScriptedServer.requests(server)) == 2
    end

    test "raises when tokens go round in a circle" do
      {_, name} =
        serve(fn request ->
          next = if request.json["page_token"] == "a", do: "b", else: "a"
          {200, %{"runs" => [wire_run(@run_id)], "next_page_token" => next}}
        end)

      task =
        Task.async(fn ->
          assert_raise Error, fn -> Enum.to_list(Client.search_runs("1", name: name)) end
        end)

      assert {:ok, %Error{kind: :bad_response}} = Task.yield(task, 3_000) || Task.shutdown(task)
    end

    test "refuses a view type that is none with those there are" do
      name = start_instance()

      assert_raise ArgumentError, ~r/active_only/, fn ->
        Enum.to_list(Client.search_runs("1", view_type: :everything, name: name))
      end
    end
  end

  test "search_experiments is as lazy and as complete" do
    {server, name} =
      serve(fn request ->
        case request.json["page_token"] do
          nil ->
            {200, %{"experiments" => [%{"experiment_id" => "1"}], "next_page_token" => "a"}}

          "a" ->
            {200, %{"experiments" => [%{"experiment_id" => "2"}]}}
        end
      end)

    stream = Client.search_experiments(view_type: :deleted_only, filter: "name = 'a'", name: name)
    assert ScriptedServer.requests(server) == []
    assert Enum.map(stream, & &1.experiment_id) == ["1", "2"]

    assert %{"view_type" => "DELETED_ONLY", "filter" => "name = 'a'"} =
             hd(ScriptedServer.requests(server)).json
  end

  describe "errors" do
    test "of MLflow keep its code and become a kind" do
      for {status, code, kind, retryable} <- [
            {404, "RESOURCE_DOES_NOT_EXIST", :not_found, false},
            {400, "INVALID_PARAMETER_VALUE", :invalid, false},
            {400, "RESOURCE_ALREADY_EXISTS", :already_exists, false},
            {400, "BAD_REQUEST", :invalid, false},
            {401, "UNAUTHENTICATED", :unauthenticated, false},
            {403, "PERMISSION_DENIED", :forbidden, false},
            {409, "RESOURCE_CONFLICT", :conflict, true},
            {429, "REQUEST_LIMIT_EXCEEDED", :rate_limited, true},
            {500, "INTERNAL_ERROR", :server, true},
            {503, "TEMPORARILY_UNAVAILABLE", :unavailable, true}
          ] do
        {_, name} = serve([ScriptedServer.error(status, code, "said so")])
        assert {:error, %Error{} = error} = Client.get_run(@run_id, name: name)

        assert {error.kind, error.status, error.code, error.retryable, error.operation} ==
                 {kind, status, code, retryable, "runs/get"}

        assert error.message =~ "said so"
      end
    end

    test "are tried again as often as configured, and then say how often" do
      failure = ScriptedServer.error(500, "INTERNAL_ERROR")
      {server, name} = serve(fn _ -> failure end, max_retries: 2)
      error = assert_error(:server, Client.get_run(@run_id, name: name))
      assert error.attempts == 3
      assert length(ScriptedServer.requests(server)) == 3
    end

    test "end with the first answer" do
      failure = ScriptedServer.error(503, "TEMPORARILY_UNAVAILABLE")
      {_, name} = serve([failure, :close, {200, %{"run" => wire_run(@run_id)}}], max_retries: 5)
      assert {:ok, %Run{}} = Client.get_run(@run_id, name: name)
    end

    test "creating a run is never repeated once the server may have acted" do
      for lost <- [:close, ScriptedServer.error(500, "INTERNAL_ERROR"), {:truncated, "{\"run\""}] do
        {server, name} = serve([lost, {200, %{"run" => wire_run(@run_id)}}], max_retries: 5)
        assert {:error, %Error{}} = Client.create_run("1", name: name)
        assert length(ScriptedServer.requests(server)) == 1
      end
    end

    test "creating a run is repeated when the server refused to look at it" do
      busy = ScriptedServer.error(429, "REQUEST_LIMIT_EXCEEDED")
      {server, name} = serve([busy, {200, %{"run" => wire_run(@run_id)}}], max_retries: 5)
      assert {:ok, %Run{}} = Client.create_run("1", name: name)
      assert length(ScriptedServer.requests(server)) == 2
    end

    test "Retry-After is kept, in ms, when it is longer than there is time" do
      busy = {429, [{"retry-after", "7"}], "slow down"}
      {server, name} = serve(fn _ -> busy end, max_retries: 5, total_timeout: 1_000)

      error = assert_error(:rate_limited, Client.get_run(@run_id, name: name))
      assert error.retry_after == 7_000
      assert error.retryable
      assert length(ScriptedServer.requests(server)) == 1
    end

    test "HTML of something in between is told from MLflow" do
      page = {200, [{"content-type", "text/html"}], "<html><h1>Sign in</h1></html>"}
      {_, name} = serve([page])

      error = assert_error(:not_mlflow, Client.get_run(@run_id, name: name))
      assert error.message =~ "check tracking_uri"
      assert error.message =~ "Sign in"
    end

    test "a 404 without MLflow's code is a wrong address, and no missing run" do
      {_, name} = serve([{404, [{"content-type", "text/html"}], "<h1>Not Found</h1>"}])
      error = assert_error(:not_mlflow, Client.get_run(@run_id, name: name))
      assert error.message =~ "tracking_uri"
    end

    test "a redirect is not followed" do
      {server, name} = serve([{302, [{"location", "https://login.example.com/?state=s3"}], ""}])
      error = assert_error(:not_mlflow, Client.get_run(@run_id, name: name))
      assert error.message =~ "login.example.com"
      refute error.message =~ "s3"
      assert length(ScriptedServer.requests(server)) == 1
    end

    test "an answer that is cut short is no answer" do
      {_, name} = serve([{:truncated, "{\"run\": {\"info\": "}])
      assert {:error, %Error{retryable: true} = error} = Client.get_run(@run_id, name: name)
      assert error.kind in [:connection_lost, :bad_response]
    end

    test "an answer that lacks what it is about is malformed" do
      for body <- [%{}, %{"run" => %{}}, %{"run" => %{"info" => %{}}}] do
        {_, name} = serve([{200, body}])
        assert_error(:bad_response, Client.get_run(@run_id, name: name))
      end
    end

    test "a closed connection leaves the outcome unknown" do
      {_, name} = serve([:close])
      error = assert_error(:connection_lost, Client.set_tag(@run_id, :a, 1, name: name))
      assert error.retryable
    end

    test "a dead port says where it tried" do
      name = start_instance()
      error = assert_error(:connect, Client.version(name: name))
      assert error.message =~ "127.0.0.1:1"
      assert error.message =~ "is the MLflow server running"
      assert error.retryable
    end

    test "a silent server is given up at the attempt's timeout" do
      {_, name} = serve([{:hold, self()}], request_timeout: 200)
      error = assert_error(:timeout, Client.get_run(@run_id, name: name))
      assert error.retryable
    end

    test "a silent server is given up at the call's own total_timeout" do
      {_, name} = serve(fn _ -> {:hold, self()} end, max_retries: 5)

      {time, _} =
        :timer.tc(fn ->
          assert_error(:timeout, Client.get_run(@run_id, total_timeout: 200, name: name))
        end)

      assert time < 2_000_000
    end

    test "no secret shows in an error, even when the server says it back" do
      echo = fn request ->
        ScriptedServer.error(403, "PERMISSION_DENIED", inspect(request.headers))
      end

      for opts <- [[token: "hunter2-token"], [username: "me", password: "hunter2-password"]] do
        {_, name} = serve(echo, opts)
        error = assert_error(:forbidden, Client.get_run(@run_id, name: name))
        refute inspect(error) =~ "hunter2"
        refute inspect(error) =~ Base.encode64("me:hunter2-password")
      end
    end
  end

  describe "what the server would refuse is refused before it is sent:" do
    setup do
      {server, name} = serve([])
      %{server: server, name: name}
    end

    test "run ids that are none", %{server: server, name: name} do
      for id <- ["", "abc", "../../../../../../../../x/y/z/w", String.duplicate("g", 32)] do
        error = assert_error(:invalid, Client.get_run(id, name: name))
        assert error.message =~ "32 hex digits"
        assert_error(:invalid, Client.log_metric(id, :a, 1, name: name))
        assert_error(:invalid, Client.log_batch(id, [params: [a: 1]], name: name))
        assert_error(:invalid, Client.get_metric_history(id, :a, name: name))
      end

      assert ScriptedServer.requests(server) == []
    end

    test "keys and values that are too long", %{server: server, name: name} do
      long = &String.duplicate("ü", &1)

      error = assert_error(:invalid, Client.log_metric(@run_id, long.(251), 1, name: name))
      assert error.message =~ "251 characters"
      assert_error(:invalid, Client.log_param(@run_id, long.(251), 1, name: name))
      assert_error(:invalid, Client.log_param(@run_id, "a", long.(6_001), name: name))
      assert_error(:invalid, Client.set_tag(@run_id, "a", long.(8_001), name: name))
      assert_error(:invalid, Client.log_batch(@run_id, [metrics: [{"", 1}]], name: name))
      assert_error(:invalid, Client.create_experiment(long.(501), name: name))
      assert_error(:invalid, Client.create_experiment(" ", name: name))

      assert ScriptedServer.requests(server) == []
    end

    test "metrics that are no numbers", %{server: server, name: name} do
      error = assert_error(:invalid, Client.log_metric(@run_id, :loss, "good", name: name))
      assert error.message =~ "metric loss must be a number"
      assert_error(:invalid, Client.log_batch(@run_id, [metrics: %{a: nil}], name: name))
      assert ScriptedServer.requests(server) == []
    end

    test "a param with two values in one call", %{server: server, name: name} do
      params = [{"lr", 1}, {:lr, 2}]
      error = assert_error(:invalid, Client.log_batch_params(@run_id, params, name: name))
      assert error.message =~ "two values"
      assert ScriptedServer.requests(server) == []
    end

    test "a run id of another kind says so", %{name: name} do
      assert_raise ArgumentError, ~r/run/, fn -> Client.get_run(nil, name: name) end
    end
  end

  describe "a token function" do
    test "is asked before each call" do
      counter = start_supervised!({Agent, fn -> 0 end})
      token = fn -> "t#{Agent.get_and_update(counter, &{&1, &1 + 1})}" end
      {server, name} = serve(fn _ -> {200, [], "3.17.2"} end, token: token)

      for _ <- 1..3, do: assert({:ok, _} = Client.version(name: name))

      assert for(r <- ScriptedServer.requests(server), do: r.headers["authorization"]) ==
               ["Bearer t0", "Bearer t1", "Bearer t2"]
    end

    test "that cannot give one is an error of the call" do
      for {fun, said} <- [
            {fn -> raise "vault is sealed" end, "raised vault is sealed"},
            {fn -> {:error, :sealed} end, "answered :sealed"},
            {fn -> nil end, "must return a string"}
          ] do
        {server, name} = serve([], token: fun)
        error = assert_error(:unauthenticated, Client.version(name: name))
        assert error.message =~ said
        refute error.retryable
        assert ScriptedServer.requests(server) == []
      end
    end

    test "that throws or exits is an error of the call too" do
      for fun <- [fn -> throw(:sealed) end, fn -> exit(:sealed) end] do
        {_, name} = serve([], token: fun)
        error = assert_error(:unauthenticated, Client.version(name: name))
        assert error.message =~ "sealed"
      end
    end
  end

  describe "health and wait_for_ready" do
    test "health asks for life, version and a query of the database" do
      {server, _} = start_tracking()
      name = start_instance(tracking_uri: ScriptedServer.uri(server))

      assert Client.health(name: name) == {:ok, %{version: "3.17.2"}}

      assert ScriptedServer.operations(server) == ["health", "version", "experiments/search"]
      assert %{"max_results" => 1} = List.last(ScriptedServer.requests(server)).json
    end

    test "a server whose database is away is not healthy" do
      away = %{"experiments/search" => ScriptedServer.error(500, "INTERNAL_ERROR", "no database")}
      {server, _} = start_tracking(away)
      name = start_instance(tracking_uri: ScriptedServer.uri(server))
      error = assert_error(:server, Client.health(name: name))
      assert error.message =~ "no database"
    end

    test "waits for a server that comes up late" do
      port = ScriptedServer.free_port()
      name = start_instance(tracking_uri: "http://127.0.0.1:#{port}")
      waiting = Task.async(fn -> Client.wait_for_ready(timeout: 30_000, name: name) end)

      assert Task.yield(waiting, 100) == nil
      tracking = start_supervised!(Tracking)
      start_server(Tracking.script(tracking), port: port)

      assert Task.await(waiting, 30_000) == {:ok, %{version: "3.17.2"}}
    end

    test "gives up when its time is over, with the last error" do
      name = start_instance()
      error = assert_error(:connect, Client.wait_for_ready(timeout: 300, name: name))
      assert error.message =~ "cannot connect"
    end

    test "gives up at once on what waiting cannot mend" do
      {server, name} = serve(fn _ -> ScriptedServer.error(401, "UNAUTHENTICATED") end)
      assert_error(:unauthenticated, Client.wait_for_ready(name: name))
      assert length(ScriptedServer.requests(server)) == 1
    end
  end

  describe "a disabled instance" do
    test "sends nothing and says how to switch it on" do
      {server, name} = serve([], enabled: false)

      for answer <- [
            Client.get_run(@run_id, name: name),
            Client.health(name: name),
            Client.wait_for_ready(name: name),
            Client.log_metric(@run_id, :a, 1, name: name)
          ] do
        error = assert_error(:disabled, answer)
        assert error.message =~ "enabled: true"
        refute error.retryable
      end

      assert_raise Error, ~r/switched off/, fn ->
        Enum.to_list(Client.search_runs("1", name: name))
      end

      assert ScriptedServer.requests(server) == []
    end
  end

  describe "functions with a bang" do
    test "answer the value, or raise the error" do
      {_, name} =
        serve([
          {200, %{"run" => wire_run(@run_id)}},
          {200, %{}},
          {200, [], "3.17.2"},
          ScriptedServer.error(404, "RESOURCE_DOES_NOT_EXIST", "no such run")
        ])

      assert %Run{} = Client.get_run!(@run_id, name: name)
      assert :ok = Client.set_tag!(@run_id, :a, 1, name: name)
      assert "3.17.2" = Client.version!(name: name)
      assert_raise Error, "runs/get: no such run", fn -> Client.get_run!(@run_id, name: name) end
    end

    test "stand beside every function that answers a result" do
      functions = Client.__info__(:functions)
      streams = [:search_runs, :search_experiments]

      for {function, _} <- functions,
          not String.ends_with?("#{function}", "!"),
          function not in streams do
        arities = for {^function, arity} <- functions, do: arity
        banged = for {name, arity} <- functions, name == :"#{function}!", do: arity
        assert {function, arities} == {function, banged}
      end
    end
  end

  test "a missing instance is an error that says what to do" do
    error = assert_error(:config, Client.version(name: Nobody.Here))
    assert error.message =~ "no MLflow instance named Nobody.Here is running"
    assert error.message =~ "{MLflow, name: Nobody.Here}"
  end
end
