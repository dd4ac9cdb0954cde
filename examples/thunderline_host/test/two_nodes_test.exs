defmodule Thunderline.TwoNodesTest do
  use Thunderline.HostCase

  @moduletag timeout: 600_000
  @trials String.to_integer(System.get_env("TWO_NODES_TRIALS", "500"))

  test "two nodes share a queue of #{@trials} trials; one is killed, and each has one run" do
    trials = report_trials()
    {:ok, _} = MLflow.SyncWorker.sync_trials_to_mlflow(Enum.map(trials, & &1.id))

    [first, second] = for name <- ["a", "b"], do: start_node(name)
    wait_until(fn -> Map.get(job_counts(), "completed", 0) > div(@trials, 3) end)
    kill(second)
    assert Enum.any?(running_on(second)), "the node was killed with jobs in hand"

    wait_until(fn -> Map.keys(job_counts()) == ["completed"] end)
    kill(first)
    check(trials)
  end

  defp report_trials do
    for n <- 1..@trials do
      {:ok, trial} = ModelTrial.report(%{trial_id: "n-#{n}", status: :succeeded, parameters: %{n: n}})
      points = for step <- 1..20, do: {"loss", n / step, step}
      :ok = MLflow.Trials.log_metrics(trial.id, points)
      trial
    end
  end

  defp check(trials) do
    runs = runs_of_trials()

    for trial <- trials do
      assert [run] = Map.get(runs, trial.trial_id, [])
      {:ok, history} = MLflow.Client.get_metric_history(run.run_id, :loss)
      assert Enum.map(history, & &1.step) == Enum.to_list(1..20)
      assert Ash.reload!(trial).mlflow_run_id == run.run_id
    end
  end

  # A node of its own: the same application, in another VM, with the queue at work.
  defp start_node(name) do
    script = Path.expand("support/node.exs", __DIR__)
    executable = System.find_executable("elixir")
    args = ["-S", "mix", "run", "--no-compile", "--no-halt", script, name]
    env = [{~c"MIX_ENV", ~c"test"}, {~c"TEST_EXPERIMENT", to_charlist(experiment())}]
    port = Port.open({:spawn_executable, executable}, [:binary, args: args, env: env])
    {:os_pid, launcher} = Port.info(port, :os_pid)
    on_exit(fn -> System.cmd("kill", ["-9", "#{launcher}"], stderr_to_stdout: true) end)
    %{name: name, pid: launcher}
  end

  defp experiment, do: MLflow.config!().default_experiment

  # `elixir` becomes the VM itself, so that its pid is the VM's.
  defp kill(%{pid: pid}), do: System.cmd("kill", ["-9", "#{pid}"])

  defp running_on(%{name: name}) do
    import Ecto.Query
    Repo.all(from job in Oban.Job, where: job.state == "executing" and ^name in job.attempted_by)
  end

  defp wait_until(condition) do
    unless condition.() do
      Process.sleep(50)
      wait_until(condition)
    end
  end
end
