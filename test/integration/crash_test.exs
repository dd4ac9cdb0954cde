defmodule MLflow.Integration.CrashTest do
  use MLflow.IntegrationCase, async: true

  alias MLflow.{Client, OsProcess}

  @moduletag :slow
  @instance "MLflow.Test.RealCrash"
  @trials 40

  defp code(database, context, what) do
    """
    Logger.configure(level: :emergency)
    Application.put_env(:mlflow_sync, :default_instance, false)
    {:ok, _} = Application.ensure_all_started(:mlflow_sync)
    name = #{@instance}

    {:ok, _} =
      MLflow.start_link(
        name: name,
        database: #{inspect(database)},
        tracking_uri: #{inspect(context.uri)},
        default_experiment: #{inspect(context.default_experiment)},
        sync_interval: 0,
        concurrency: 4
      )

    #{what}
    """
  end

  @work """
  ids = for n <- 1..#{@trials} do
    {:ok, trial} = MLflow.Trials.create(%{trial_id: "t\#{n}", status: :running}, name: name)
    :ok = MLflow.Trials.log_metrics("t\#{n}", (for s <- 1..50, do: {:loss, n / s, s}), name: name)
    {:ok, _} = MLflow.Trials.update("t\#{n}", %{status: :succeeded}, name: name)
    trial.id
  end
  {:ok, _} = MLflow.SyncWorker.sync_trials_to_mlflow(ids, name: name)
  wait = fn wait ->
    {:ok, done} = MLflow.SyncWorker.jobs(state: :completed, name: name)
    if length(done) >= #{div(@trials, 4)}, do: IO.puts("midway"), else: wait.(wait)
  end
  wait.(wait)
  MLflow.SyncWorker.drain(timeout: 120_000, name: name)
  """

  @times """
  for n <- 1..#{@trials} do
    {:ok, points} = MLflow.Trials.history("t\#{n}", nil, name: name)
    times = Enum.map_join(points, ",", & &1.timestamp)
    IO.puts("times t\#{n} " <> times)
  end
  """

  each_server do
    test "a VM killed midway leaves one complete run per trial", %{name: name} = context do
      database = tmp_path("crash.db")
      victim = OsProcess.start(code(database, context, @work))
      OsProcess.await_line(victim, "midway")
      OsProcess.kill(victim)

      lines = OsProcess.run!(code(database, context, OsProcess.finish_jobs() <> @times))
      assert "jobs %{completed: #{@trials}}" in lines

      {:ok, experiment} = MLflow.default_experiment(name: name)
      runs = Enum.to_list(Client.search_runs(experiment, name: name))

      assert Enum.frequencies_by(runs, & &1.tags["thunderline_trial_id"]) ==
               Map.new(1..@trials, &{"t#{&1}", 1})

      for run <- runs do
        assert run.status == :finished
        trial_id = run.tags["thunderline_trial_id"]
        {:ok, history} = Client.get_metric_history(run.run_id, :loss, name: name)
        assert Enum.map(history, & &1.step) == Enum.to_list(1..50)
        times = Enum.map_join(history, ",", & &1.timestamp)
        assert "times #{trial_id} #{times}" in lines
      end
    end
  end
end
