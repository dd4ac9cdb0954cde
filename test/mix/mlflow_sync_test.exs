defmodule Mix.Tasks.Mlflow.SyncTest do
  # The only module whose tests start an instance with the default one's name, one at a time.
  use MLflow.Case, async: true

  import MLflow.CLICase

  alias MLflow.{CLI, TestJSON, Trials}
  alias MLflow.CLI.Output
  alias MLflow.CLI.Sync.Plans

  defp sync(args, fields \\ []), do: run(CLI.Sync, args, fields)

  # An instance on a tracking server with one experiment, which is the default, and three trials.
  defp start(overrides \\ %{}, opts \\ []) do
    {server, tracking} = start_tracking(overrides)
    experiment = Tracking.add_experiment(tracking, "trials")

    name =
      start_instance(
        Keyword.merge(
          [tracking_uri: ScriptedServer.uri(server), default_experiment: "trials"],
          opts
        )
      )

    for id <- ~w(t1 t2 t3) do
      {:ok, _} =
        Trials.create(%{trial_id: id, status: :succeeded, parameters: %{lr: 0.1}}, name: name)
    end

    %{server: server, tracking: tracking, experiment: experiment, name: name}
  end

  defp at(name, args), do: ["--instance", inspect(name) | args]

  describe "what is to be synced:" do
    test "trials by their own ids, each a line, and the sums" do
      %{name: name, tracking: tracking} = start()
      {:ok, %{id: id}} = Trials.get("t2", name: name)

      # The same trial, by its two ids.
      args = ["--trial", "t1", "--trial", id, "--trial", "t2"]
      assert {0, out, err} = sync(at(name, args))

      assert length(Tracking.runs(tracking)) == 2
      assert out =~ "2 of 2 targets done; 2 runs pushed, 0 pulled; 6 requests in"
      assert err =~ "Syncing 2 targets with http://127.0.0.1:"
      assert err =~ ~r{\[\d/2\] trial t1: created, 2 pushed \(\d requests\), run 0000}
      assert err =~ ~r{\[\d/2\] trial t2: created}
    end

    test "all: what is due, then the default experiment, then those with a record" do
      %{name: name, tracking: tracking, server: server} = start()
      other = Tracking.add_experiment(tracking, "other")
      Tracking.add_run(tracking, other)
      {:ok, _} = MLflow.Sync.ensure_experiment("other", name: name)
      ScriptedServer.forget(server)

      assert {0, out, err} = sync(at(name, ["--all"]))
      assert out =~ "5 of 5 targets done"
      assert err =~ "experiment other: 1 run, 0 unchanged, 0 pushed, 1 pulled (2 requests)"
      assert err =~ "experiment trials: 3 runs, 3 unchanged, 0 pushed, 0 pulled"
      assert length(Tracking.runs(tracking)) == 4

      assert {0, out, _} = sync(at(name, ["--all"]))
      assert out =~ "2 of 2 targets done; 0 runs pushed, 0 pulled; 4 requests"
    end

    test "all, where nobody ever created the default experiment: that is no failure" do
      {server, _tracking} = start_tracking()
      name = start_instance(tracking_uri: ScriptedServer.uri(server))
      assert {0, _, err} = sync(at(name, ["--all"]))
      assert err =~ "experiment thunderline-trials: does not exist in MLflow yet"
      assert ScriptedServer.requests(server, "experiments/create") == []
    end

    test "experiments, by name or id" do
      %{name: name, experiment: id} = start()
      assert {0, out, _} = sync(at(name, ["--experiment", id, "--experiment", "trials"]))
      assert out =~ "2 of 2 targets done; 3 runs pushed"
    end

    test "with a server and a database of the command line's, and nothing else running" do
      %{name: name, server: server, tracking: tracking} = start()
      database = MLflow.config!(name: name).database
      stop_instance(name)

      args = ["--tracking-uri", ScriptedServer.uri(server), "--database", database, "--trial"]
      assert {1, _, err} = sync(args ++ ["missing"])
      assert err =~ ~s(there is no trial "missing")
      assert {0, _, _} = sync(args ++ ["t1"])
      assert [_] = Tracking.runs(tracking)

      # Nothing of it is left.
      assert_error(:config, MLflow.Instance.fetch(name: MLflow))
    end
  end

  describe "what it says:" do
    test "conflicts, with both values and who wins" do
      %{name: name, tracking: tracking} = start()
      assert {0, _, _} = sync(at(name, ["--trial", "t1"]))
      [run] = Tracking.runs(tracking)
      Tracking.change_run(tracking, run["run_id"], &Map.put(&1, "run_name", "theirs\e[2J"))
      {:ok, _} = Trials.update("t1", %{name: "ours"}, name: name)

      assert {0, out, _} = sync(at(name, ["--experiment", "trials", "--quiet"]))
      assert out =~ "Conflicts: changed on both sides"

      assert String.replace(out, ~r/\s+/, " ") =~
               "name: here ours, MLflow theirs\\x{1B}[2J; ours wins"

      refute out =~ "\e"
    end

    test "nothing with --quiet when all is well" do
      %{name: name} = start()
      assert {0, "", ""} = sync(at(name, ["--trial", "t1", "--quiet"]))
    end

    test "errors with what to do, one bad trial failing alone" do
      refuse = fn request ->
        if request.json["run_name"] == "trial_t2",
          do: ScriptedServer.error(403, "PERMISSION_DENIED", "not yours"),
          else: :pass
      end

      %{name: name} = start(%{"runs/create" => refuse})
      args = Enum.flat_map(~w(t1 t2 t3), &["--trial", &1])
      assert {1, out, err} = sync(at(name, args))
      assert out =~ "2 of 3 targets done; 1 failed"
      assert err =~ "trial t2: runs/create: not yours"
      assert err =~ "-> ask the server's administrator"
      assert max(widest(out), widest(err)) <= 100
    end

    test "of a run that fails within an experiment" do
      refuse = fn request ->
        if request.json["run_name"] == "trial_t2",
          do: ScriptedServer.error(403, "PERMISSION_DENIED", "not yours"),
          else: :pass
      end

      %{name: name} = start(%{"runs/create" => refuse})
      assert {1, _, err} = sync(at(name, ["--experiment", "trials"]))
      assert err =~ "experiment trials"
      assert err =~ "not yours"
    end

    test "once, of a server that does not let anybody in, and the rest is not tried" do
      refused = ScriptedServer.error(401, "UNAUTHENTICATED", "who are you?")
      overrides = %{"runs/create" => refused, "experiments/get-by-name" => refused}
      %{name: name, server: server} = start(overrides, concurrency: 1)

      assert {1, out, err} = sync(at(name, ["--all"]))
      assert out =~ "0 of 4 targets done; 1 failed; 3 not tried"
      assert err =~ "-> set username and password"
      assert err =~ "3 more, which were not tried"
      assert length(ScriptedServer.requests(server)) == 1
    end

    test "one JSON object, for scripts" do
      %{name: name} = start()
      assert {1, out, ""} = sync(at(name, ["--json", "--trial", "t1", "--trial", "gone"]))
      assert [line, ""] = String.split(out, "\n")
      json = TestJSON.decode!(line)

      assert %{"ok" => false, "done" => 1, "failed" => 1, "not_tried" => 0} = json
      assert %{"pushed" => 1, "pulled" => 0, "conflicts" => [], "dry_run" => false} = json
      assert [fine, gone] = json["trials"]
      assert %{"label" => "t1", "ok" => true, "report" => %{"creation" => "created"}} = fine
      assert %{"id" => "gone", "ok" => false, "error" => %{"kind" => "not_found"}} = gone
    end

    test "a bar, on a terminal, that is gone in the end" do
      %{name: name} = start()
      assert {0, _, err} = sync(at(name, ["--trial", "t1"]), columns: 80, colours?: true)
      assert [_, "" | drawn] = String.split(err, ["\n", "\r"])
      assert hd(drawn) =~ "[#{String.duplicate("-", 30)}]   0 %  0/1"
      assert Enum.at(drawn, 1) =~ "[#{String.duplicate("#", 30)}] 100 %  1/1"
      assert Enum.all?(drawn, &(String.length(&1) <= 79))
      assert List.last(drawn) == ""
    end
  end

  describe "how it ends:" do
    test "a disabled instance is a failure that says so" do
      name = start_instance(enabled: false)
      assert {1, "", err} = sync(at(name, ["--all"]))
      assert err =~ "is switched off"
      assert {1, out, ""} = sync(at(name, ["--all", "--json"]))
      assert %{"ok" => false, "error" => %{"kind" => "disabled"}} = TestJSON.decode!(out)
    end

    test "an instance that does not run, a database that is none, a wrong address" do
      assert {1, _, err} = sync(["--instance", "No.Such", "--all"])
      assert err =~ "no MLflow instance named No.Such is running"

      path = tmp_path("notes.txt")
      File.write!(path, String.duplicate("dear diary ", 100))
      assert {1, _, err} = sync(["--database", path, "--all"])
      assert err =~ "not a readable SQLite database"
      assert err =~ "mix mlflow.doctor tells more"

      assert {1, _, err} = sync(["--tracking-uri", "ftp://ada:s3cret@host", "--all"])
      assert err =~ "setting :tracking_uri must be an http:// or https:// address"
      refute err =~ "s3cret"
    end

    test "when the time given is over, and with the rest not tried" do
      test = self()
      hold = fn _request -> {:hold, test} end
      %{name: name} = start(%{"runs/create" => hold}, concurrency: 1)
      assert {1, out, err} = sync(at(name, ["--all", "--timeout", "1"]))
      assert_received {:held, _, _}
      assert out =~ "1 failed; 3 not tried"
      assert err =~ "it was not done when the time given was over"
      assert_receive {:hung_up, _}
    end

    test "another worker at the same trial is waited for" do
      %{name: name} = start()
      instance = instance!(name)
      {:ok, trial} = instance.config.store.fetch_trial(instance, "t1")
      {:ok, {:fresh, claim}} = instance.config.store.claim_run(instance, trial, "1")

      task = Task.async(fn -> sync(at(name, ["--trial", "t1"])) end)
      refute Task.yield(task, 400)
      :ok = instance.config.store.release_claim(instance, claim)
      assert {0, _, _} = Task.await(task, 15_000)
    end

    test "misuse is 2, and says what to write instead" do
      for {args, message} <- [
            {[], "Give --trial ID, --experiment ID_OR_NAME or --all"},
            {["--trail", "t1"], "there is no option --trail; did you mean --trial?"},
            {["--xyzzy"], "there is no option --xyzzy\n"},
            {["--trial"], "--trial needs a value behind it"},
            {["--all", "--timeout", "soon"], "--timeout takes a whole number, got \"soon\""},
            {["--all", "--timeout", "0"], "a number of seconds of at least 1"},
            {["--all", "t1"], "what is \"t1\"?"},
            {["--all", "--instance", "A", "--database", "b"], "has its own settings"}
          ] do
        assert {2, "", err} = sync(args)
        assert err =~ message
        assert err =~ "--help"
      end
    end

    test "the help is the task's documentation" do
      assert {0, help, ""} = sync(["--help"])
      assert help =~ "--dry-run"
      assert Mix.Task.moduledoc(Mix.Tasks.Mlflow.Sync) <> "\n" == help
      assert widest(help) <= 100
    end

    test "what prepares the application may refuse" do
      {:ok, err} = StringIO.open("")
      refuse = fn _ -> {:error, "no default instance"} end
      assert CLI.Sync.run(["--all"], refuse, %Output{err: err}) == 2
      assert contents(err) =~ "no default instance"
    end

    test "as the exit status of the VM" do
      assert CLI.Status.exit_with(0) == :ok
      assert catch_exit(CLI.Status.exit_with(2)) == {:shutdown, 2}
    end
  end

  describe "a dry run" do
    @plan %{
      "trial_id" => "t1",
      "mlflow_run_id" => "abc",
      "creates" => false,
      "changes" => [
        %{
          "side" => "push",
          "field" => "status",
          "key" => nil,
          "from" => "RUNNING",
          "to" => "FINISHED"
        },
        %{"side" => "push", "field" => "param", "key" => "lr", "from" => nil, "to" => "0.1"},
        %{"side" => "pull", "field" => "metric", "key" => "acc", "from" => 0.5, "to" => 0.75}
      ],
      "conflicts" => [
        %{"field" => "tag", "key" => "team", "local" => "a", "remote" => "b", "winner" => "local"}
      ]
    }
    @empty %{@plan | "changes" => [], "conflicts" => [], "trial_id" => "t2"}
    @new %{
      @plan
      | "mlflow_run_id" => nil,
        "creates" => true,
        "trial_id" => "t3",
        "conflicts" => []
    }

    defp outcome(kind, id, result),
      do: %{target: %{kind: kind, id: id, expected?: true}, label: id, result: result, ms: 1}

    defp printed(outcomes, quiet? \\ false) do
      {:ok, out} = StringIO.open("")
      {:ok, err} = StringIO.open("")
      result = %{outcomes: outcomes, ms: 5, tracking_uri: "http://mlflow.test"}
      Plans.print(%Output{out: out, err: err}, result, quiet?)
      {contents(out), contents(err)}
    end

    test "prints the plan field by field" do
      outcomes = [
        outcome(:trial, "t1", {:ok, [@plan]}),
        outcome(:experiment, "iris", {:ok, [@empty, @new]}),
        outcome(:trial, "t9", {:error, MLflow.Error.new(:not_found, "trial", "there is none")})
      ]

      assert {out, err} = printed(outcomes)

      assert out == """
             trial t1 -> run abc
               push      status      RUNNING -> FINISHED
               push      param lr    nothing -> 0.1
               pull      metric acc  0.5 -> 0.75
               conflict  tag team    here a, MLflow b; ours wins

             experiment iris: 2 runs
             trial t2 -> run abc: nothing to do
             trial t3 -> a new run
               push  status      RUNNING -> FINISHED
               push  param lr    nothing -> 0.1
               pull  metric acc  0.5 -> 0.75

             1 run to create, 4 fields to push, 2 to pull, 1 trial in conflict; 1 could not be planned.
             Nothing was written.
             """

      assert err =~ "trial t9: trial: there is none"
    end

    test "says it once of a trial that is planned within its experiment too" do
      outcomes = [
        outcome(:trial, "t3", {:ok, [@new]}),
        outcome(:experiment, "iris", {:ok, [@empty, @new]})
      ]

      assert {out, ""} = printed(outcomes)
      assert [_, _] = String.split(out, "trial t3 -> a new run")
      assert out =~ "1 run to create, 2 fields to push"
    end

    test "leaves out what is in step with --quiet" do
      assert {"", ""} = printed([outcome(:trial, "t2", {:ok, [@empty]})], true)
    end

    test "keeps within the width, whatever the values" do
      long = String.duplicate("wide ", 2_000)

      change = %{
        "side" => "push",
        "field" => "param",
        "key" => long,
        "from" => long,
        "to" => long
      }

      conflict = %{
        "field" => "tag",
        "key" => long,
        "local" => long,
        "remote" => long,
        "winner" => "remote"
      }

      plan = %{@plan | "changes" => [change], "conflicts" => [conflict], "trial_id" => long}
      {out, _} = printed([outcome(:experiment, long, {:ok, [plan]})], true)
      assert widest(out) <= 125
    end

    test "sets up no database" do
      path = tmp_path("none.db")
      args = ["--all", "--dry-run", "--database", path]
      assert {1, "", err} = sync(args)
      assert err =~ "there is no database at"
      refute File.exists?(path)
    end

    test "as JSON" do
      result = %{
        outcomes: [outcome(:trial, "t1", {:ok, [@plan]})],
        ms: 5,
        tracking_uri: "http://mlflow.test"
      }

      json = result |> Plans.to_map() |> MLflow.Native.json_encode() |> TestJSON.decode!()
      assert %{"ok" => true, "dry_run" => true, "trials" => [%{"plans" => [plan]}]} = json
      assert plan == @plan
    end

    test "of trials plans, and writes nothing, neither here nor there" do
      %{name: name, tracking: tracking, server: server} = start()
      assert {0, out, _} = sync(at(name, ["--trial", "t1", "--dry-run"]))
      assert out =~ "trial t1 -> a new run"
      assert out =~ ~r/push +param lr +nothing -> 0.1/
      assert out =~ "1 run to create"
      assert Tracking.runs(tracking) == []
      assert ScriptedServer.requests(server, "experiments/create") == []
      assert {:ok, []} = MLflow.Runs.list(name: name)
      assert {:ok, nil} = run_record(name, "t1")
    end

    test "of all, where the default experiment does not exist yet" do
      {server, _tracking} = start_tracking()
      name = start_instance(tracking_uri: ScriptedServer.uri(server))
      {:ok, _} = Trials.create(%{trial_id: "t1", status: :running}, name: name)
      assert {0, out, _} = sync(at(name, ["--all", "--dry-run"]))
      assert out =~ "trial t1 -> a new run"
      assert out =~ "experiment thunderline-trials does not exist in MLflow yet"
      assert ScriptedServer.requests(server, "experiments/create") == []
      assert {:ok, []} = MLflow.Runs.experiments(name: name)
    end

    test "of an experiment plans both ways, and a sync then does just that" do
      %{name: name, tracking: tracking} = start()
      assert {0, _, _} = sync(at(name, ["--trial", "t1"]))
      [run] = Tracking.runs(tracking)
      Tracking.change_run(tracking, run["run_id"], &put_in(&1["tags"]["team"], "a"))

      args = at(name, ["--experiment", "trials", "--dry-run"])
      assert {0, out, _} = sync(args)
      assert out =~ ~r/pull +tag team +nothing -> a/
      assert out =~ "2 runs to create"
      assert {0, ^out, _} = sync(args)

      assert {0, _, _} = sync(at(name, ["--experiment", "trials"]))
      assert {0, out, _} = sync(args)
      assert out =~ "0 runs to create, 0 fields to push, 0 to pull, 0 trials in conflict"
    end

    defp run_record(name, trial_id) do
      {:ok, trial} = Trials.get(trial_id, name: name)
      instance = instance!(name)
      instance.config.store.fetch_run_by_trial(instance, trial.id)
    end
  end
end
