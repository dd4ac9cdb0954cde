defmodule MLflow.ServerTest do
  use MLflow.Case, async: true

  alias MLflow.{Client, RawClient, Server}
  alias MLflow.Server.Change

  # A server that ends with the test: its name and where it is.
  defp start(opts \\ []) do
    opts = server_options(opts)
    pid = start_supervised!({Server, opts}, id: opts[:name])
    {:ok, uri} = Server.uri(opts[:name])
    %{name: opts[:name], uri: uri, pid: pid}
  end

  defp server_options(opts) do
    folder = Path.dirname(tmp_path("x"))
    own = if opts[:instance], do: [], else: [database: Path.join(folder, "server.db")]

    [name: unique_name(), port: 0, artifacts: Path.join(folder, "artifacts")]
    |> Keyword.merge(own)
    |> Keyword.merge(opts)
  end

  defp listener(name) do
    [{pid, _uri}] = Registry.lookup(MLflow.Registry, {:server, name})
    pid
  end

  defp assert_change(name, run_id) do
    assert_receive {:mlflow_server, ^name, %Change{run_id: ^run_id} = change}
    change
  end

  describe "a server in a supervision tree" do
    test "answers clients, on a free port where 0 is asked for" do
      %{uri: uri} = start()
      assert uri =~ ~r{^http://127\.0\.0\.1:\d+$}
      assert {200, _} = RawClient.get(uri, "/health")

      name = start_instance(tracking_uri: uri)
      assert {:ok, run} = Client.create_run("0", name: name)
      assert {:ok, %{run_id: id}} = Client.get_run(run.run_id, name: name)
      assert id == run.run_id
    end

    test "keeps what it acknowledged when it is stopped and started again" do
      opts = server_options([])
      start_supervised!({Server, opts}, id: :first)
      {:ok, uri} = Server.uri(opts[:name])
      id = RawClient.log_run(uri, "0")
      stop_supervised!(:first)

      start_supervised!({Server, opts}, id: :second)
      {:ok, uri} = Server.uri(opts[:name])
      assert {200, _} = RawClient.get(uri, "/api/2.0/mlflow/runs/get?run_id=#{id}")
    end

    test "is back after a crash, on its port, and tells those who subscribed before" do
      %{uri: uri, name: name} = start(port: free_port())
      :ok = Server.subscribe(name)
      killed = listener(name)
      Process.exit(killed, :kill)

      eventually(fn -> match?({:ok, ^uri}, Server.uri(name)) and listener(name) != killed end)
      # What was not told yet went with it.
      assert_receive {:mlflow_server, ^name, :overflow}
      id = RawClient.log_run(uri, "0")
      assert_change(name, id)
    end

    # A server that was killed lets its port go a moment after its supervisor starts it again.
    test "waits for its port for a moment" do
      {:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})
      {:ok, port} = :inet.port(socket)
      {:ok, _} = :timer.apply_after(100, :gen_tcp, :close, [socket])
      %{uri: uri} = start(port: port)
      assert URI.parse(uri).port == port
    end

    test "on a port that is taken is an error that says so" do
      %{uri: uri} = start()
      port = URI.parse(uri).port
      error = assert_error(:config, Server.start_link(server_options(port: port)))
      assert error.message =~ "cannot listen on 127.0.0.1:#{port}"
      assert error.message =~ "choose another port"
    end

    test "under a name that is taken is an error that says so" do
      %{name: name} = start()
      error = assert_error(:config, Server.start_link(server_options(name: name)))
      assert error.message =~ "is running already"
    end

    test "over a file that is no database is an error that names it" do
      path = tmp_path("notes.txt")
      File.write!(path, String.duplicate("no database, but text. ", 100))
      error = assert_error(:store, Server.start_link(server_options(database: path)))
      assert error.message =~ path
    end

    test "in memory is an error, with a database of its own and with an instance's" do
      error = assert_error(:config, Server.start_link(server_options(database: ":memory:")))
      assert error.message =~ "needs a database in a file"
      name = start_instance(database: ":memory:")
      assert_error(:config, Server.start_link(server_options(instance: name)))
    end

    test "that does not run has no address" do
      error = assert_error(:config, Server.uri(MLflow.NoSuchServer))
      assert error.message =~ "no MLflow server named MLflow.NoSuchServer"
    end
  end

  describe "sharing an instance's store:" do
    test "trials and runs are rows of one file" do
      name = start_instance()
      %{uri: uri} = start(instance: name)
      RawClient.log_run(uri, "0")
      assert {:ok, _} = MLflow.Trials.create(%{trial_id: "t1"}, name: name)
      assert instance!(name).config.database |> File.exists?()
    end

    test "it comes back with the instance, whose store is another one then" do
      name = start_instance()
      %{uri: uri, name: server} = start(instance: name, port: free_port())
      before = listener(server)
      [{instance, _}] = Registry.lookup(MLflow.Registry, name)
      Process.exit(instance, :kill)

      eventually(fn -> match?({:ok, ^uri}, Server.uri(server)) and listener(server) != before end)
      assert RawClient.log_run(uri, "0")
    end

    test "a database of its own beside it makes no sense" do
      opts = [name: unique_name(), instance: MLflow, database: "a.db"]
      error = assert_error(:config, Server.start_link(opts))
      assert error.message =~ "both :instance and :database"
    end
  end

  describe "credentials" do
    @basic [{"authorization", "Basic " <> Base.encode64("ada:secret-1815")}]
    @bearer [{"authorization", "Bearer secret-1815"}]
    @search "/api/2.0/mlflow/experiments/get?experiment_id=0"

    test "of basic authentication, the password from a function" do
      %{uri: uri} = start(username: "ada", password: fn -> {:ok, "secret-1815"} end)
      assert {401, _} = RawClient.get(uri, @search)
      assert {401, _} = RawClient.get(uri, @search, @bearer)
      assert {200, _} = RawClient.get(uri, @search, @basic)
    end

    test "of a token" do
      %{uri: uri} = start(token: "secret-1815")
      assert {401, _} = RawClient.get(uri, @search, @basic)
      assert {200, _} = RawClient.get(uri, @search, @bearer)
    end

    test "that cannot be had are an error" do
      opts = server_options(token: fn -> {:error, :sealed} end)
      error = assert_error(:unauthenticated, Server.start_link(opts))
      assert error.message =~ ":sealed"
    end

    test "show nowhere: not in the state, the child spec, or the report of a crash" do
      opts = server_options(username: "ada", password: "secret-1815")
      refute inspect(Server.child_spec(opts), limit: :infinity, structs: false) =~ "1815"

      start_supervised!({Server, opts}, id: opts[:name])
      listener = listener(opts[:name])
      refute inspect(:sys.get_state(listener), limit: :infinity, structs: false) =~ "1815"

      log =
        ExUnit.CaptureLog.capture_log(fn ->
          monitor = Process.monitor(listener)
          GenServer.cast(listener, :nobody_expects_this)
          assert_receive {:DOWN, ^monitor, :process, _, _}
        end)

      assert log =~ "nobody_expects_this"
      refute log =~ "1815"
    end
  end

  describe "subscribers" do
    test "are told of a run that changed, and what happened to it" do
      %{uri: uri, name: name} = start()
      :ok = Server.subscribe(name)
      id = RawClient.log_run(uri, "0")
      assert %{experiment_id: "0", kinds: [:created]} = assert_change(name, id)
      # After the commit.
      assert {200, _} = RawClient.get(uri, "/api/2.0/mlflow/runs/get?run_id=#{id}")
    end

    test "are told once, however often they subscribe, and no more once they unsubscribe" do
      %{uri: uri, name: name} = start()
      :ok = Server.subscribe(name)
      :ok = Server.subscribe(name)
      first = RawClient.log_run(uri, "0")
      assert_change(name, first)

      second = RawClient.log_run(uri, "0")
      assert_change(name, second)
      refute_received {:mlflow_server, ^name, %Change{run_id: ^first}}

      :ok = Server.unsubscribe(name)
      third = RawClient.log_run(uri, "0")
      stop_supervised!(name)
      refute_received {:mlflow_server, ^name, %Change{run_id: ^third}}
    end

    test "are told of what changed right before a stop" do
      %{uri: uri, name: name} = start()
      :ok = Server.subscribe(name)
      ids = for _ <- 1..20, do: RawClient.log_run(uri, "0")
      stop_supervised!(name)
      for id <- ids, do: assert_received({:mlflow_server, ^name, %Change{run_id: ^id}})
    end

    test "of one server hear nothing of another" do
      %{name: name} = start()
      %{uri: other} = start()
      :ok = Server.subscribe(name)
      RawClient.log_run(other, "0")
      stop_supervised!(name)
      refute_received {:mlflow_server, _, _}
    end
  end

  test "news are gathered: a run that changes often is told of seldom" do
    %{uri: uri, name: name} = start()
    :ok = Server.subscribe(name)
    id = RawClient.log_run(uri, "0")
    assert_change(name, id)

    # Whoever owns the server is held up, and what happens meanwhile waits in one batch.
    :ok = :sys.suspend(listener(name))

    for value <- 1..50 do
      body = %{run_id: id, key: "loss", value: value, timestamp: value, step: value}
      assert {200, _} = RawClient.post(uri, "runs/log-metric", body)
    end

    {200, _} = RawClient.post(uri, "runs/update", %{run_id: id, status: "FINISHED"})
    :ok = :sys.resume(listener(name))
    stop_supervised!(name)

    changes = told(name, id)
    assert length(changes) <= 3
    assert changes |> Enum.flat_map(& &1.kinds) |> Enum.uniq() == [:logged, :updated]
  end

  defp told(name, id) do
    receive do
      {:mlflow_server, ^name, %Change{run_id: ^id} = change} -> [change | told(name, id)]
    after
      0 -> []
    end
  end

  if Code.ensure_loaded?(:telemetry) do
    test "requests are measured by route and status" do
      test = self()
      handler = unique("server-test-")
      events = for event <- [:start, :change, :requests, :stop], do: [:mlflow, :server, event]
      forward = fn [_, _, event], measured, about, _ -> send(test, {event, measured, about}) end
      :telemetry.attach_many(handler, events, forward, nil)
      on_exit(fn -> :telemetry.detach(handler) end)

      %{uri: uri, name: name} = start()
      assert_receive {:start, %{system_time: _}, %{name: ^name, uri: ^uri}}
      id = RawClient.log_run(uri, "0")
      {404, _} = RawClient.get(uri, "/no/such/page")
      stop_supervised!(name)

      assert_receive {:change, %{runs: 1}, %{name: ^name, changes: [%Change{run_id: ^id}]}}
      create = %{name: name, method: "POST", route: "/api/2.0/mlflow/runs/create", status: 200}
      assert_receive {:requests, %{count: 1, total_duration: total} = measured, ^create}
      assert total > 0 and measured.longest_duration == total
      assert_receive {:requests, %{count: 1}, %{name: ^name, route: "", status: 404}}
      assert_receive {:stop, %{system_time: _}, %{name: ^name}}
    end
  end
end
