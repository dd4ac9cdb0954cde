defmodule MLflow.Integration.RunLoggerTest do
  use MLflow.IntegrationCase, async: true

  alias MLflow.{Client, Outbox, RunLogger, Trials}

  defp logger!(name, opts) do
    {:ok, logger} = RunLogger.start_link([name: name] ++ opts)
    logger
  end

  defp history(run_id, key, name) do
    {:ok, points} = Client.get_metric_history(run_id, key, name: name)
    for point <- points, do: {point.value, point.step, point.timestamp}
  end

  defp run_of(experiment, name) do
    {:ok, %{experiment_id: id}} = Client.get_experiment_by_name(experiment, name: name)
    [run] = id |> Client.search_runs(name: name) |> Enum.to_list()
    run
  end

  each_server do
    test "a run of its own has exactly what was logged, and its end", context do
      %{name: name, default_experiment: experiment} = context
      points = for step <- 1..2_500, do: {"loss", 1 / step, step, 1_700_000_000_000 + step}

      logger =
        logger!(name, run_name: "own", params: %{lr: 0.1, depth: 18}, tags: %{team: "vision"})

      for point <- points, do: :ok = RunLogger.log(logger, [point])
      :ok = RunLogger.log(logger, %{special: :neg_infinity}, step: -1, timestamp: 1)
      :ok = RunLogger.log(logger, %{special: :nan}, step: 2, timestamp: 2)
      :ok = RunLogger.set_tags(logger, stage: "one")
      :ok = RunLogger.set_tags(logger, stage: "two")
      before = System.system_time(:millisecond)
      assert {:ok, :delivered} = RunLogger.close(logger, timeout: 60_000)

      assert %{name: "own", status: :finished} = run = run_of(experiment, name)
      assert run.params == %{"lr" => "0.1", "depth" => "18"}
      assert %{"team" => "vision", "stage" => "two"} = run.tags
      assert_in_delta run.end_time, before, 60_000

      assert history(run.run_id, "loss", name) ==
               for({_, value, step, timestamp} <- points, do: {value, step, timestamp})

      assert [{smallest, -1, 1}, {:nan, 2, 2}] = history(run.run_id, "special", name)
      assert smallest in [:neg_infinity, -1.7976931348623157e308]

      # And it goes on where it was.
      %{"thunderline_trial_id" => id} = run.tags
      logger = logger!(name, id: id)
      :ok = RunLogger.log(logger, %{loss: 0.0}, step: 2_501, timestamp: 1)
      :ok = RunLogger.flush(logger)
      assert run_of(experiment, name).status == :running
      assert {:ok, :delivered} = RunLogger.close(logger, status: :failed, timeout: 60_000)
      assert run_of(experiment, name).status == :failed
      assert length(history(run.run_id, "loss", name)) == 2_501
    end

    test "a trial's run and one that exists get their points and keep their status", context do
      %{name: name, default_experiment: experiment} = context

      {:ok, _} =
        Trials.create(%{trial_id: "t1", status: :running, parameters: %{lr: 1}}, name: name)

      points = for step <- 1..300, do: {:loss, step / 3, step, step}
      of_trial = logger!(name, trial: "t1")
      run_id = new_run(name)
      of_run = logger!(name, run_id: run_id)
      for logger <- [of_trial, of_run], do: :ok = RunLogger.log(logger, points)

      for logger <- [of_trial, of_run],
          do: assert({:ok, :delivered} = RunLogger.close(logger, timeout: 60_000))

      run = run_of(experiment, name)
      assert %{status: :running, params: %{"lr" => "1"}} = run
      assert run.tags["thunderline_trial_id"] == "t1"
      logged = for {_, value, step, timestamp} <- points, do: {value, step, timestamp}
      assert history(run.run_id, "loss", name) == logged
      assert history(run_id, "loss", name) == logged
      assert {:ok, %{status: :running}} = Client.get_run(run_id, name: name)

      # The trial's own sync goes on beside it.
      {:ok, _} = Trials.update("t1", %{status: :succeeded}, name: name)
      {:ok, _} = MLflow.Sync.trial_to_mlflow("t1", name: name)
      assert run_of(experiment, name).status == :finished
    end

    test "what the server will not take is put aside, and a deleted run parks its log", %{
      name: name
    } do
      run_id = new_run(name)
      logger = logger!(name, run_id: run_id)
      :ok = RunLogger.log_params(logger, lr: 1)
      :ok = RunLogger.flush(logger)
      :ok = RunLogger.log(logger, for(step <- 1..50, do: {:loss, step, step, step}))
      :ok = RunLogger.log_params(logger, lr: 2)
      :ok = RunLogger.log(logger, %{"not?a|name" => 1})
      :ok = RunLogger.log(logger, for(step <- 51..100, do: {:loss, step, step, step}))
      assert_error(:invalid, RunLogger.flush(logger))
      assert {:ok, [param, metric]} = Outbox.rejected(run_id, name: name)
      assert %{entry: {:param, "lr", "2"}} = param
      assert %{entry: {:metric, "not?a|name", 1.0, 0, _}} = metric
      assert length(history(run_id, "loss", name)) == 100
      assert {:ok, %{params: %{"lr" => "1"}}} = Client.get_run(run_id, name: name)

      :ok = Client.delete_run(run_id, name: name)
      :ok = RunLogger.log(logger, %{loss: 0}, step: 101)
      assert_error(:timeout, RunLogger.flush(logger, timeout: 3_000))
      {:ok, %{loggers: [%{error: error, waiting: 1}]}} = Outbox.status(name: name)
      assert error.message =~ "deleted"
      :ok = Client.restore_run(run_id, name: name)
      :ok = Outbox.flush(name: name)
      assert length(history(run_id, "loss", name)) == 101
    end
  end
end
