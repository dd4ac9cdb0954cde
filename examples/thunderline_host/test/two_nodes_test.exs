defmodule Thunderline.TwoNodesTest do
  use Thunderline.HostCase

  import Ecto.Query

  @moduletag timeout: 600_000
  @trials String.to_integer(System.get_env("TWO_NODES_TRIALS", "500"))

  test "two nodes share a queue of #{@trials} trials; one is killed, and each has one run" do
    trials = report_trials()
    {:ok, _} = MLflow.SyncWorker.sync_trials_to_mlflow(Enum.map(trials, & &1.id))

    [first, second] = for name <- ["a", "b"], do: start_node(name)
    # Both are at work, and the second is killed with jobs in its hands.
    wait_until(fn -> Enum.all?([first, second], &(jobs_of(&1, "completed") > @trials / 6)) end)
    wait_until(fn -> jobs_of(second, "executing") > 0 end)
    kill(second)

    wait_until(fn -> Map.keys(job_counts()) == ["completed"] end)
    kill(first)
    check(trials)
  end

  defp report_trials do
    for n <- 1..@trials do
      {:ok, trial} =
        ModelTrial.report(%{trial_id: "n-#{n}", status: :succeeded, parameters: %{n: n}})

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
    args = ["-S", "mix", "run", "--no-compile", script, name]
    env = [{~c"MIX_ENV", ~c"test"}, {~c"TEST_EXPERIMENT", to_charlist(experiment())}]
    port = Port.open({:spawn_executable, executable}, [:binary, args: args, env: env])
    {:os_pid, launcher} = Port.info(port, :os_pid)
    on_exit(fn -> System.cmd("kill", ["-9", "#{launcher}"], stderr_to_stdout: true) end)
    %{name: name, pid: launcher}
  end

  defp experiment, do: MLflow.config!().default_experiment

  # `elixir` becomes the VM itself, so that its pid is the VM's.
  defp kill(%{pid: pid}), do: System.cmd("kill", ["-9", "#{pid}"])

  defp jobs_of(%{name: name}, state) do
    Repo.aggregate(
      from(job in Oban.Job, where: job.state == ^state and ^name in job.attempted_by),
      :count
    )
  end

  defp wait_until(condition, deadline \\ System.monotonic_time(:second) + 240) do
    cond do
      condition.() -> :ok
      System.monotonic_time(:second) > deadline -> flunk("jobs: #{inspect(job_counts())}")
      true -> Process.sleep(50) && wait_until(condition, deadline)
    end
  end
end
