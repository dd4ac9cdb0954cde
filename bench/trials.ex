defmodule Bench.Trials do
  @moduledoc "A hundred finished trials, on their way into an experiment of their own."

  alias MLflow.SyncWorker

  @count 100
  @patience 300_000

  @spec count :: pos_integer
  def count, do: @count

  @doc "Starts an instance of its own for `fun`, with a fresh database and experiment."
  @spec with_instance(map, String.t(), (keyword, String.t() -> result)) :: result when result: var
  def with_instance(context, experiment, fun) do
    opts = [name: Module.concat(Bench, Macro.camelize(String.replace(experiment, "-", "_")))]

    {:ok, supervisor} =
      MLflow.start_link(
        opts ++
          [
            tracking_uri: context.uri,
            database: Path.join(context.directory, "#{experiment}.db"),
            default_experiment: experiment,
            sync_interval: 0
          ]
      )

    {:ok, experiment_id} = MLflow.default_experiment(opts)
    result = fun.(opts, experiment_id)
    Supervisor.stop(supervisor)
    result
  end

  @doc "Records the trials, and returns once each one's run is complete in MLflow."
  @spec push(keyword) :: :ok
  def push(opts) do
    jobs =
      for index <- 1..@count do
        {:ok, trial} = MLflow.Trials.create(trial(index), opts)
        {:ok, job} = SyncWorker.sync_trial_to_mlflow(trial.id, opts)
        job
      end

    for job <- jobs do
      {:ok, %{state: :completed}} = SyncWorker.await(job, [timeout: @patience] ++ opts)
    end

    :ok
  end

  # The same trial as python_client.py makes.
  defp trial(index) do
    now = DateTime.utc_now()

    %{
      trial_id: "trial-#{index}",
      name: "trial-#{index}",
      status: :succeeded,
      parameters: Map.new(1..20, &{"param_#{&1}", &1 * index}),
      metrics: Map.new(1..10, &{"metric_#{&1}", &1 / index}),
      started_at: now,
      completed_at: now
    }
  end

  @doc "Raises unless MLflow has the trials, finished and whole: a fast loss is no speed."
  @spec check!(String.t(), keyword) :: :ok
  def check!(experiment_id, opts) do
    complete =
      [experiment_id]
      |> MLflow.Client.search_runs(opts)
      |> Enum.count(&complete?/1)

    if complete != @count, do: raise("only #{complete} of #{@count} runs are complete")
    :ok
  end

  defp complete?(run) do
    run.status == :finished and map_size(run.params) == 20 and map_size(run.metrics) == 10
  end
end
