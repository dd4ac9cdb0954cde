defmodule MLflow.Integration.TaskTest do
  use MLflow.IntegrationCase, async: true

  import MLflow.CLICase

  alias MLflow.{CLI, Client, ScriptedServer, SyncWorker, TestJSON, Trials}

  @mix System.find_executable("mix")

  defp create!(id, name) do
    attrs = %{trial_id: id, status: :succeeded, parameters: %{lr: 0.1}, metrics: %{acc: 0.9}}
    {:ok, trial} = Trials.create(attrs, name: name)
    trial
  end

  # The task itself, in a VM of its own, with an instance's server, database and default
  # experiment: its output and its exit status.
  defp mix(args, name, opts \\ []) do
    config = MLflow.config!(name: name)
    where = ["--tracking-uri", config.tracking_uri, "--database", config.database]
    env = [{"MIX_ENV", "test"}, {"MLFLOW_DEFAULT_EXPERIMENT", config.default_experiment}]
    System.cmd(@mix, ["mlflow.sync" | where ++ args], [env: env] ++ opts)
  end

  defp runs(experiment, name) do
    {:ok, %{experiment_id: id}} = Client.get_experiment_by_name(experiment, name: name)
    Enum.to_list(Client.search_runs(id, name: name, view_type: :all))
  end

  each_server do
    test "mix mlflow.sync --all brings everything there, and then finds nothing to do",
         %{name: name, default_experiment: experiment} do
      for n <- 1..5, do: create!("t#{n}", name)
      at = ["--instance", inspect(name)]

      assert {0, out, _} = run(CLI.Sync, at ++ ["--all"])
      assert out =~ "6 of 6 targets done; 5 runs pushed, 0 pulled"
      found = runs(experiment, name)
      assert Enum.map(found, & &1.status) |> Enum.uniq() == [:finished]
      assert length(found) == 5

      assert {0, out, _} = run(CLI.Sync, at ++ ["--all"])
      assert out =~ "1 of 1 target done; 0 runs pushed, 0 pulled; 2 requests in"

      :ok = Client.set_tag(hd(found).run_id, "team", "a", name: name)
      assert {0, out, _} = run(CLI.Sync, at ++ ["--experiment", experiment])
      assert out =~ "0 runs pushed, 1 pulled"
    end

    test "mix mlflow.sync, in a VM of its own, beside a queue at the same trials",
         %{name: name, default_experiment: experiment} do
      ids = for n <- 1..8, do: create!("t#{n}", name).id
      experiment_id = Client.create_experiment!(experiment, name: name).experiment_id

      task = Task.async(fn -> mix(["--experiment", experiment_id, "--json"], name) end)
      {:ok, _} = SyncWorker.sync_trials_to_mlflow(ids, name: name)
      :ok = SyncWorker.drain(name: name)
      {out, _status} = Task.await(task, 60_000)

      assert %{"dry_run" => false} =
               out |> String.split("\n", trim: true) |> List.last() |> TestJSON.decode!()

      # Whoever came first: each trial has one run.
      assert {_, 0} = mix(["--experiment", experiment_id, "--quiet"], name)
      found = runs(experiment, name)

      assert found |> Enum.map(& &1.tags["thunderline_trial_id"]) |> Enum.sort() ==
               Enum.map(1..8, &"t#{&1}")
    end

    test "the exit status tells how it went", %{name: name, default_experiment: experiment} do
      create!("t1", name)
      experiment_id = Client.create_experiment!(experiment, name: name).experiment_id
      assert {"", 0} = mix(["--experiment", experiment_id, "--quiet"], name)
      assert {out, 1} = mix(["--trial", "gone"], name, stderr_to_stdout: true)
      assert out =~ "there is no trial \"gone\""
      assert {out, 2} = mix(["--tril", "t1"], name, stderr_to_stdout: true)
      assert out =~ "did you mean --trial?"
      assert {out, 0} = mix(["--help"], name)
      assert out =~ "## What to sync"
      assert length(runs(experiment, name)) == 1
    end

    test "a dry run tells what a sync then does, and writes nothing",
         %{name: name, default_experiment: experiment} do
      create!("t1", name)
      at = ["--instance", inspect(name)]

      assert {0, out, _} = run(CLI.Sync, at ++ ["--all", "--dry-run"])
      assert out =~ "trial t1 -> a new run"
      assert out =~ ~r/push +param lr +nothing -> 0.1/
      assert out =~ "Nothing was written."
      assert {:error, %{kind: :not_found}} = Client.get_experiment_by_name(experiment, name: name)
      assert {:ok, []} = MLflow.Runs.list(name: name)

      assert {0, _, _} = run(CLI.Sync, at ++ ["--all"])
      [run] = runs(experiment, name)
      :ok = Client.set_tag(run.run_id, "team", "a", name: name)
      assert {0, out, _} = run(CLI.Sync, at ++ ["--experiment", experiment, "--dry-run"])
      assert out =~ ~r/pull +tag team +nothing -> a/
      assert {:ok, %{tags: tags}} = Trials.get("t1", name: name)
      refute Map.has_key?(tags || %{}, "team")

      assert {0, _, _} = run(CLI.Sync, at ++ ["--experiment", experiment])
      assert {0, out, _} = run(CLI.Sync, at ++ ["--experiment", experiment, "--dry-run"])
      assert out =~ "0 runs to create, 0 fields to push, 0 to pull, 0 trials in conflict"
    end
  end

  @tag mlflow: :embedded
  test "it does not guess which instance an application without a default one means" do
    env = [{"MIX_ENV", "test"}]
    assert {out, 2} = System.cmd(@mix, ["mlflow.sync", "--all"], env: env, stderr_to_stdout: true)
    assert out =~ "the application has no default instance"
    assert out =~ "--instance"
  end

  # Any server will do, and this one is silent.
  @tag mlflow: :embedded
  test "SIGTERM ends it with the status that a shell expects", %{name: name} do
    create!("t1", name)
    test = self()
    server = start_server(fn _ -> {:hold, test} end)
    database = MLflow.config!(name: name).database

    args =
      ["mlflow.sync", "--tracking-uri", ScriptedServer.uri(server)] ++
        ["--database", database, "--trial", "t1"]

    port =
      Port.open({:spawn_executable, @mix}, [
        :binary,
        :exit_status,
        :stderr_to_stdout,
        args: args,
        env: [{~c"MIX_ENV", ~c"test"}]
      ])

    assert_receive {:held, _, _}, 30_000
    {:os_pid, pid} = Port.info(port, :os_pid)
    {_, 0} = System.cmd("kill", ["-TERM", "#{pid}"])
    assert_receive {^port, {:exit_status, 143}}, 30_000
  end
end
