defmodule MLflow.DoctorTest do
  use MLflow.Case, async: true

  import MLflow.CLICase

  alias MLflow.{CLI, Doctor, Doctor.Clock, Doctor.Finding, Native, SyncWorker, TestJSON, Trials}

  # Too long for a name, which is known without asking anybody.
  @nameless String.duplicate("a", 64) <> ".invalid"

  defp start(overrides \\ %{}, opts \\ []) do
    {server, tracking} = start_tracking(overrides)
    opts = Keyword.merge([tracking_uri: ScriptedServer.uri(server)], opts)
    %{server: server, tracking: tracking, name: start_instance(opts)}
  end

  # Examines a server with a database that does not exist.
  defp examine(uri, opts \\ []) do
    defaults = [
      tracking_uri: uri,
      database: tmp_path("none.db"),
      timeout: 3_000,
      environment: false
    ]

    Doctor.run(Keyword.merge(defaults, opts))
  end

  defp find(findings, area, level),
    do: Enum.filter(findings, &(&1.area == area and &1.level == level))

  defp titles(findings, area), do: for(%{area: ^area, title: title} <- findings, do: title)

  defp problems(findings), do: Enum.filter(findings, &(&1.level in [:problem, :warning]))

  defp text({_verdict, findings}),
    do: inspect(findings, limit: :infinity, printable_limit: :infinity)

  defp http_date(seconds_from_now) do
    DateTime.utc_now()
    |> DateTime.add(seconds_from_now, :second)
    |> Calendar.strftime("%a, %d %b %Y %H:%M:%S GMT")
  end

  describe "when all is well" do
    test "it says so, and nothing was changed" do
      %{name: name, server: server, tracking: tracking} = start()
      Tracking.add_experiment(tracking, "thunderline-trials")
      {:ok, _} = Trials.create(%{trial_id: "t1", status: :running}, name: name)

      assert {:ok, findings} = Doctor.run(name: name)
      assert problems(findings) == []

      assert hd(titles(findings, :configuration)) == "#{inspect(name)} runs in this VM"
      assert [_, _, _, "1 trial wants a sync" <> _] = titles(findings, :store)
      assert titles(findings, :queue) == ["there are no jobs"]
      assert ["no proxy is on the way", "127.0.0.1:" <> _] = titles(findings, :connection)

      assert [
               "the API answers, asked without credentials",
               "/health says that it is up",
               "MLflow 3.17.2, which is supported",
               "a small request takes " <> _
             ] = titles(findings, :server)

      assert titles(findings, :experiment) == [
               "the default experiment is thunderline-trials (id 1)"
             ]

      read = ~w(experiments/search health version experiments/get-by-name)
      assert Enum.uniq(ScriptedServer.operations(server)) == read
      assert {:ok, []} = MLflow.Runs.list(name: name)
    end

    test "a database that does not exist is not created" do
      {server, _} = start_tracking()
      path = Path.join(Path.dirname(tmp_path("x")), "new folder/mlflow.db")
      assert {:ok, findings} = examine(ScriptedServer.uri(server), database: path)
      assert [%Finding{title: title} | _] = find(findings, :store, :info)
      assert title =~ "does not exist yet"
      refute File.exists?(Path.dirname(path))
      assert titles(findings, :queue) == []
    end

    test "the default experiment need not exist" do
      %{name: name} = start()
      assert {:ok, findings} = Doctor.run(name: name)
      assert [title] = titles(findings, :experiment)
      assert title =~ "does not exist yet: the first sync creates it"
    end
  end

  describe "the server" do
    test "is dead" do
      assert {:problems, findings} = examine(dead_uri())
      assert [%Finding{title: "127.0.0.1:1 accepts no connection"} = finding] = problems(findings)
      assert finding.detail == "127.0.0.1: connection refused"
      assert finding.advice =~ "start the MLflow server"
      # What is known already is not asked again.
      assert titles(findings, :server) == []
    end

    test "has a name that nobody knows" do
      assert {:problems, findings} = examine("http://" <> @nameless)
      assert [%Finding{title: title}] = problems(findings)
      assert title =~ "nobody knows an address of aaa"
    end

    test "accepts connections, and then is silent" do
      test = self()
      server = start_server(fn _ -> {:hold, test} end)
      assert {:problems, findings} = examine(ScriptedServer.uri(server), timeout: 200)
      assert [finding] = problems(findings)
      assert finding.title == "the API does not answer"
      assert finding.detail =~ "gave no answer within 0.2 s"
      # It is not waited for again and again.
      assert ScriptedServer.operations(server) == ["experiments/search", "health"]
    end

    test "lets nobody in without credentials" do
      refused = {401, [{"www-authenticate", "Basic"}], "You are not authenticated."}
      {server, _} = start_tracking(%{"experiments/search" => refused})
      assert {:problems, findings} = examine(ScriptedServer.uri(server))
      assert [finding] = problems(findings)
      assert finding.title == "the server does not let us in, asked without credentials"
      assert finding.advice =~ "MLFLOW_TRACKING_USERNAME"
    end

    test "knows the account, and forbids it everything" do
      refused = ScriptedServer.error(403, "PERMISSION_DENIED", "Permission denied")
      {server, _} = start_tracking(%{"experiments/search" => refused})
      options = [username: "ada", password: "hunter22"]
      assert {:problems, findings} = result = examine(ScriptedServer.uri(server), options)
      assert [%Finding{title: "the server does not let us in, asked as ada"}] = problems(findings)
      refute text(result) =~ "hunter22"
    end

    test "is no MLflow server but somebody's web page" do
      server =
        start_server(fn _ -> {200, [{"content-type", "text/html"}], "<h1>Welcome</h1>"} end)

      assert {:problems, findings} = examine(ScriptedServer.uri(server))
      assert [finding] = problems(findings)
      assert finding.title == "what answers there is no MLflow server"
      assert finding.detail =~ "<h1>Welcome</h1>"
      assert finding.advice =~ "set tracking_uri to the MLflow server itself"
    end

    test "does not speak HTTP" do
      {:ok, listener} = :gen_tcp.listen(0, [:binary, ip: {127, 0, 0, 1}, active: false])
      {:ok, port} = :inet.port(listener)

      spawn_link(fn ->
        Stream.repeatedly(fn ->
          {:ok, socket} = :gen_tcp.accept(listener)
          :gen_tcp.send(socket, "220 mail.example.com ESMTP\r\n")
          :gen_tcp.close(socket)
        end)
        |> Stream.run()
      end)

      assert {:problems, findings} = examine("http://127.0.0.1:#{port}")
      assert [%Finding{area: :server}] = problems(findings)
    end

    test "is managed: it has the API alone" do
      page = {404, [], "not found"}
      {server, _} = start_tracking(%{"health" => page, "version" => page})
      assert {:ok, findings} = examine(ScriptedServer.uri(server))

      assert [_, "it has no /health" <> _, "it does not tell its version" <> _, _] =
               titles(findings, :server)
    end

    test "is of a version that is not looked after" do
      for {version, level, said} <- [
            {"2.9.1", :warning, "older than what is looked after"},
            {"2.9.2", :ok, "supported"},
            {"3.17.2.dev0", :ok, "supported"},
            {"3.0", :ok, "supported"},
            {"4.0.0", :warning, "newer than what was tested"},
            {"7x", :info, "none that is known"}
          ] do
        {server, _} = start_tracking(%{"version" => {200, [], version}})
        {_, findings} = examine(ScriptedServer.uri(server))
        finding = Enum.find(findings, &(&1.area == :server and &1.title =~ version))
        assert {finding.level, finding.title =~ said} == {level, true}, inspect(finding)
      end
    end

    test "has deleted the default experiment" do
      deleted = %{"experiment_id" => "7", "name" => "trials", "lifecycle_stage" => "deleted"}
      answer = {200, %{"experiment" => deleted}}
      {server, _} = start_tracking(%{"experiments/get-by-name" => answer})
      assert {:problems, findings} = examine(ScriptedServer.uri(server))
      assert [finding] = problems(findings)
      assert finding.title == "the default experiment trials (id 7) is deleted"
      assert finding.advice =~ ~s|MLflow.Client.restore_experiment("7")|
    end

    test "has no experiment of the configured id" do
      {server, _} = start_tracking()
      assert {:problems, findings} = examine(ScriptedServer.uri(server), experiment_id: "99")
      assert [%Finding{title: "there is no experiment with the id 99"}] = problems(findings)
    end

    test "keeps another time than we do" do
      {server, _} = start_tracking(%{"health" => {200, [{"date", http_date(-86_400)}], "OK"}})
      assert {:warnings, findings} = examine(ScriptedServer.uri(server))
      assert [finding] = problems(findings)
      assert finding.title == "the server's clock is 24 h behind ours"
      assert finding.detail =~ "Points"
      assert finding.advice =~ "NTP"
    end

    test "is too busy at first to renew the date of its answers" do
      counter = :counters.new(1, [])

      health = fn _request ->
        :counters.add(counter, 1, 1)
        late = if :counters.get(counter, 1) <= 4, do: 10, else: 0
        {200, [{"date", http_date(-late)}], "OK"}
      end

      {server, _} = start_tracking(%{"health" => health})
      assert {:ok, findings} = examine(ScriptedServer.uri(server))
      assert ["the server's clock and ours agree" <> _] = titles(findings, :clock)
      assert :counters.get(counter, 1) > 4
    end

    test "is not looked at where MLflow is switched off" do
      {server, _} = start_tracking()
      assert {:warnings, findings} = examine(ScriptedServer.uri(server), enabled: false)
      assert [%Finding{title: "MLflow is switched off" <> _}] = problems(findings)
      assert ScriptedServer.requests(server) == []
    end
  end

  describe "the clock's difference" do
    test "is the least that fits what was seen" do
      assert Clock.skew(10_000, 10_000, 10_020) == 0
      # The date is cut to the second.
      assert Clock.skew(10_000, 10_990, 10_999) == 0
      assert Clock.skew(15_000, 10_000, 10_100) == 4_900
      assert Clock.skew(5_000, 10_000, 10_100) == -4_001
      # A slow answer may have been given at any moment meanwhile.
      assert Clock.skew(10_000, 5_000, 25_000) == 0
    end
  end

  describe "the configuration" do
    test "makes no sense" do
      assert {:problems, findings} = examine("http://x", reqest_timeout: 5)
      assert [finding] = problems(findings)
      assert finding.detail =~ "did you mean :request_timeout?"
      assert Enum.map(findings, & &1.area) |> Enum.uniq() == [:runtime, :configuration]

      assert {:problems, _} = examine("ftp://x")
      assert {:problems, _} = Doctor.run(name: unique_name())

      assert {:problems, findings} =
               examine("http://x",
                 server_cert_path: "/no/such/file",
                 tracking_uri: "https://127.0.0.1:1"
               )

      assert [%Finding{area: :connection, detail: detail}] = problems(findings)
      assert detail =~ "/no/such/file"
    end

    test "tells where each setting is from, and no secret" do
      secrets = ~w(hunter22 pr0xy t0ken c0de)

      result =
        examine("http://ada:hunter22@127.0.0.1:1/ml",
          http_proxy: "http://pia:pr0xy/@127.0.0.1:2",
          no_proxy: "127.0.0.1",
          token: "t0ken",
          artifact_location: "https://u:c0de@blob.test/a?sig=c0de",
          insecure_tls: true
        )

      assert {:problems, findings} = result
      for secret <- secrets, do: refute(text(result) =~ secret)

      told = titles(findings, :configuration)
      assert "tracking_uri: \"http://127.0.0.1:1/ml\" (given as an option)" in told
      assert "username: \"ada\" (part of tracking_uri)" in told
      assert "password: [hidden] (part of tracking_uri)" in told
      assert "token: [hidden] (given as an option)" in told
      assert "http_proxy: \"http://[hidden]@127.0.0.1:2\" (given as an option)" in told

      assert "artifact_location: \"https://[hidden]@blob.test/a?[hidden]\" (given as an option)" in told

      assert "both a username and a token are given: the username counts" in told
      assert Enum.any?(told, &(&1 =~ "any certificate is accepted"))
      # That is not a setting that differs.
      refute Enum.any?(told, &(&1 =~ "max_retries"))
      # Nor is what follows from one that does.
      refute Enum.any?(told, &(&1 =~ "outbox"))

      assert "a proxy is configured, and not used for this server" in titles(
               findings,
               :connection
             )
    end

    test "sends requests through a proxy, which is what must be reached" do
      assert {:problems, findings} =
               examine("http://mlflow.test",
                 http_proxy: "http://pia:pr0xy@127.0.0.1:1",
                 no_proxy: "elsewhere"
               )

      assert [
               "requests go through the proxy http://127.0.0.1:1/",
               "127.0.0.1:1 accepts no connection"
             ] = titles(findings, :connection)
    end

    test "sends passwords for everybody to read" do
      {_, findings} = examine("http://" <> @nameless, username: "ada", password: "x")
      assert Enum.any?(titles(findings, :configuration), &(&1 =~ "credentials travel over http"))
      {_, findings} = examine(dead_uri(), username: "ada", password: "x")
      refute Enum.any?(titles(findings, :configuration), &(&1 =~ "credentials travel over http"))
    end

    test "has a token function that fails" do
      {server, _} = start_tracking()
      token = fn -> raise "the vault is sealed" end
      assert {:problems, findings} = examine(ScriptedServer.uri(server), token: token)
      assert %Finding{detail: detail} = Enum.find(findings, &(&1.level == :problem))
      assert detail =~ "the vault is sealed"
    end
  end

  describe "the database" do
    setup do
      {server, _} = start_tracking()
      %{uri: ScriptedServer.uri(server)}
    end

    test "is none", %{uri: uri} do
      path = tmp_path("notes.txt")
      File.write!(path, String.duplicate("dear diary ", 100))
      assert {:problems, findings} = examine(uri, database: path)
      assert [finding] = problems(findings)
      assert finding.title == "the database cannot be used"
      assert finding.detail =~ "not a readable SQLite database"
      assert File.read!(path) == String.duplicate("dear diary ", 100)
      # The rest was looked at all the same.
      assert "MLflow 3.17.2, which is supported" in titles(findings, :server)
    end

    test "is damaged", %{uri: uri} do
      path = tmp_path("mlflow.db")
      name = start_instance(database: path)

      for n <- 1..300,
          do: {:ok, _} = Trials.create(%{trial_id: "t#{n}", tags: %{n: n}}, name: name)

      stop_instance(name)
      size = File.stat!(path).size
      whole = File.read!(path)
      half = div(size, 2)
      File.write!(path, binary_part(whole, 0, half) <> :binary.copy("Z", size - half))

      assert {:problems, findings} = examine(uri, database: path)
      assert [%Finding{area: :store, level: :problem}] = problems(findings)
    end

    test "is a folder", %{uri: uri} do
      assert {:problems, findings} = examine(uri, database: System.tmp_dir!())
      assert [%Finding{title: title}] = problems(findings)
      assert title =~ "is no file (directory)"
    end

    test "is another process's too, and neither disturbs the other", %{uri: uri} do
      path = tmp_path("mlflow.db")
      name = start_instance(database: path)
      {:ok, _} = Trials.create(%{trial_id: "t1"}, name: name)
      assert {:ok, findings} = examine(uri, database: path)
      assert [sound, size, room, "1 trial wants a sync" <> _] = titles(findings, :store)
      assert sound =~ "is sound (schema version "
      assert size =~ "of write-ahead log"
      assert room =~ "of room"
      {:ok, _} = Trials.create(%{trial_id: "t2"}, name: name)
    end

    test "is in memory", %{uri: uri} do
      assert {:warnings, findings} = examine(uri, database: ":memory:")
      assert [%Finding{title: "the database is in memory" <> _}] = problems(findings)
    end
  end

  describe "the jobs" do
    test "that were given up are told with their errors" do
      %{name: name} = start()
      {:ok, job} = SyncWorker.sync_trial_to_mlflow("gone", name: name)
      {:ok, %{state: :cancelled}} = SyncWorker.await(job, name: name)

      assert {:warnings, findings} = Doctor.run(name: name)
      assert titles(findings, :queue) == ["jobs: 1 cancelled", "1 job was given up"]
      assert [finding] = problems(findings)
      assert finding.detail =~ "sync_trial_to_mlflow gone (cancelled): not_found: "
      assert finding.advice =~ "MLflow.SyncWorker.retry/2"
    end

    test "that nobody takes, and that a dead process left, are told" do
      path = tmp_path("mlflow.db")
      {:ok, store} = Native.store_open(path)

      new = fn key, at ->
        %{
          instance: "Elixir.MLflow",
          action: "sync_trial_to_mlflow",
          args: %{"trial_id" => key},
          unique_key: key,
          lock_key: key,
          priority: 2,
          max_attempts: 5,
          scheduled_at: at
        }
      end

      hours_ago = MLflow.Metric.now() - 7_200_000
      {:ok, _} = Native.store(store, {:insert_jobs, [new.("stuck", hours_ago)]})
      {:ok, [_]} = Native.store(store, {:fetch_jobs, "Elixir.MLflow", "dead", 1, 0})
      {:ok, _} = Native.store(store, {:insert_jobs, [new.("waiting", hours_ago)]})
      Native.store_close(store)
      eventually(fn -> MLflow.Metric.now() > hours_ago + 7_200_001 end)

      {server, _} = start_tracking()
      assert {:warnings, findings} = examine(ScriptedServer.uri(server), database: path)

      assert [_, "the oldest of 1 job is due since 2 h", "1 job was left by a process that died"] =
               titles(findings, :queue)
    end
  end

  test "the outbox is told by its files" do
    folder = tmp_path("outbox")
    File.mkdir_p!(folder)
    File.write!(Path.join(folder, "segment"), String.duplicate("x", 900))
    {server, _} = start_tracking()
    uri = ScriptedServer.uri(server)

    assert {:ok, findings} = examine(uri, outbox: folder)
    assert ["1 file of 900 bytes in the outbox, the oldest" <> _] = titles(findings, :outbox)
    assert {:warnings, findings} = examine(uri, outbox: folder, outbox_limit: 1_000)
    assert [%Finding{area: :outbox}] = problems(findings)
  end

  describe "the write check" do
    # What the sync tests' tracking server has no use for.
    @overrides %{
      "runs/delete" => {200, %{}}
    }

    test "writes a run, reads it back and deletes it" do
      %{name: name, server: server, tracking: tracking} = start(@overrides)
      assert {:ok, findings} = Doctor.run(name: name, write_check: true)

      assert ["created the experiment thunderline-trials (id 1), which stays", done] =
               titles(findings, :write_check)

      assert done =~
               ~r/^a run was written, read back and deleted \(create .* ms, log a batch .*\)$/

      assert [run] = Tracking.runs(tracking)
      assert run["run_name"] == "mlflow_sync write check"

      assert ["runs/create", "runs/log-batch", "runs/get", "runs/delete"] =
               server |> ScriptedServer.operations() |> Enum.filter(&(&1 =~ "runs/"))
    end

    test "goes where it is told, by name or id" do
      %{name: name, tracking: tracking} = start(@overrides)
      id = Tracking.add_experiment(tracking, "checks")

      for experiment <- ["checks", id] do
        assert {:ok, _} = Doctor.run(name: name, write_check: true, experiment: experiment)
      end

      assert [%{"experiment_id" => ^id}, %{"experiment_id" => ^id}] = Tracking.runs(tracking)

      assert {:problems, findings} =
               Doctor.run(name: name, write_check: true, experiment: "no such")

      assert titles(findings, :write_check) == ["its experiment cannot be read"]
    end

    test "tells what goes wrong, and leaves no run behind for it" do
      refused = ScriptedServer.error(403, "PERMISSION_DENIED", "read only")
      %{name: name, server: server} = start(Map.put(@overrides, "runs/log-batch", refused))
      assert {:problems, findings} = Doctor.run(name: name, write_check: true)
      assert [finding] = problems(findings)
      assert finding.title == "a run was created, and cannot be logged to"
      assert [_] = ScriptedServer.requests(server, "runs/delete")
    end

    test "tells that a run comes back changed, or cannot be deleted" do
      %{name: name} = start(Map.put(@overrides, "runs/log-batch", {200, %{}}))
      assert {:problems, findings} = Doctor.run(name: name, write_check: true)
      assert [%Finding{title: "what was written comes back changed"}] = problems(findings)

      %{name: name} = start(%{"runs/delete" => ScriptedServer.error(403, "PERMISSION_DENIED")})
      assert {:warnings, findings} = Doctor.run(name: name, write_check: true)

      assert [%Finding{title: "a run was written and read back, but cannot be deleted"}] =
               problems(findings)
    end
  end

  describe "mix mlflow.doctor" do
    defp doctor(args, fields \\ []), do: run(CLI.Doctor, args, fields)

    test "prints areas, findings and advice, and fails for problems alone" do
      %{name: name} = start()
      assert {0, out, ""} = doctor(["--instance", inspect(name)])
      assert out =~ "\nServer\n  ok       the API answers, asked without credentials\n"
      assert out =~ "\nAll is well.\n"
      assert widest(out) <= 100
      refute out =~ "\e"

      assert {1, out, ""} = doctor(["--tracking-uri", dead_uri(), "--database", tmp_path("x.db")])

      assert out =~
               "  problem  127.0.0.1:1 accepts no connection\n           127.0.0.1: connection refused\n"

      assert out =~ "           -> start the MLflow server"
      assert out =~ "\n1 problem.\n"
      assert widest(out) <= 100
    end

    test "in colours, on a terminal" do
      assert {1, out, ""} = doctor(["--tracking-uri", dead_uri()], colours?: true)
      assert out =~ "\e[31mproblem "
    end

    test "as JSON" do
      assert {1, out, ""} = doctor(["--json", "--tracking-uri", dead_uri()])
      assert [line, ""] = String.split(out, "\n")

      assert %{"ok" => false, "verdict" => "problems", "problems" => 1} =
               json = TestJSON.decode!(line)

      assert %{"level" => "problem", "area" => "connection"} =
               Enum.find(json["findings"], &(&1["level"] == "problem"))
    end

    test "misused" do
      for {args, message} <- [
            {["--write-chek"], "did you mean --write-check?"},
            {["--experiment", "x"], "give --write-check too"},
            {["--instance", "A", "--database", "b"], "has its own settings"}
          ] do
        assert {2, "", err} = doctor(args)
        assert err =~ message
      end
    end

    test "the help is the task's documentation" do
      assert {0, help, ""} = doctor(["--help"])
      assert Mix.Task.moduledoc(Mix.Tasks.Mlflow.Doctor) <> "\n" == help
      assert widest(help) <= 100
    end
  end

  test "a check that breaks down is a finding, and the others go on" do
    {server, _} = start_tracking()
    assert {verdict, findings} = examine(ScriptedServer.uri(server), outbox: "/proc/self/mem/\0")
    assert verdict == :problems
    assert [%Finding{title: "the check Outbox broke down itself"}] = problems(findings)
    assert titles(findings, :server) != []
  end

  describe "servers in this VM:" do
    defp serve(opts) do
      folder = Path.dirname(tmp_path("x"))
      database = if opts[:instance], do: [], else: [database: Path.join(folder, "s.db")]
      own = [name: unique_name(), port: 0, artifacts: Path.join(folder, "a")] ++ database
      opts = Keyword.merge(own, opts)
      start_supervised!({MLflow.Server, opts}, id: opts[:name])
      {:ok, uri} = MLflow.Server.uri(opts[:name])
      uri
    end

    test "the one that the instance asks is named, and no other" do
      uri = serve([])
      serve([])
      name = start_instance(tracking_uri: uri)
      {_, findings} = Doctor.run(name: name)
      assert [title] = titles(findings, :embedded_server)
      assert title =~ "serves at #{uri}, over /"
      assert find(findings, :embedded_server, :ok) != []
    end

    test "one that everybody reaches without credentials is a warning" do
      uri = serve(host: "0.0.0.0")
      {_, findings} = Doctor.run(name: start_instance(tracking_uri: uri))
      assert [%Finding{title: title}] = find(findings, :embedded_server, :warning)
      assert title =~ "can be asked by whoever reaches"

      uri = serve(host: "0.0.0.0", token: "secret-1815")
      {_, findings} = Doctor.run(name: start_instance(tracking_uri: uri))
      assert find(findings, :embedded_server, :warning) == []
    end

    test "one whose runs should be the trials of an instance that asks elsewhere is a problem" do
      name = start_instance()
      serve(instance: name, trials: [instance: name])
      {:problems, findings} = Doctor.run(name: name)
      assert [%Finding{detail: detail}] = find(findings, :embedded_server, :problem)
      assert detail =~ "its tracking_uri leads to"
    end
  end
end
