defmodule MLflow.Runs do
  @moduledoc """
  The records of runs and experiments: what was last seen in MLflow.

  To ask the server itself, use `MLflow.Client`. Where the records are in the application's own tables,
  it lists them there (`list/1` and `experiments/1` are the embedded store's).

      {:ok, runs} = MLflow.Runs.list(where: %{mlflow_experiment_id: "1"})
  """

  alias MLflow.{Error, ExperimentRecord, Instance, Metric, RunRecord, Value}
  alias MLflow.Store.Listing

  @type result(value) :: {:ok, value} | {:error, Error.t()}

  @doc "A run record by MLflow's run id."
  @spec get(String.t(), keyword) :: result(RunRecord.t())
  def get(mlflow_run_id, opts \\ []),
    do: found(opts, mlflow_run_id, & &1.fetch_run(&2, mlflow_run_id))

  @doc "The run record of a trial, by the trial's `id`."
  @spec for_trial(String.t(), keyword) :: result(RunRecord.t())
  def for_trial(trial_id, opts \\ []),
    do: found(opts, trial_id, & &1.fetch_run_by_trial(&2, trial_id))

  @doc "Run records, oldest first. Options as for `MLflow.Trials.list/1`."
  @spec list(keyword) :: result([RunRecord.t()])
  def list(opts \\ []), do: Listing.list("mlflow_runs", opts)

  @doc "Experiment records, oldest first. Options as for `MLflow.Trials.list/1`."
  @spec experiments(keyword) :: result([ExperimentRecord.t()])
  def experiments(opts \\ []), do: Listing.list("mlflow_experiments", opts)

  @doc """
  The points that were brought here of a run, of one metric or of all, by key, step and time. Of a
  run with a trial these are the trial's: see `MLflow.Trials.history/3`.

      {:ok, [%MLflow.Metric{} | _]} = MLflow.Runs.history(run_id, :loss)

  A run of which nothing is known here is a `:not_found` error.
  """
  @spec history(String.t(), atom | String.t() | nil, keyword) :: result([Metric.t()])
  def history(mlflow_run_id, key \\ nil, opts \\ []) do
    key = if key, do: Value.key(key)

    with {:ok, %{config: %{store: store}} = instance} <- Instance.fetch(opts),
         {:ok, points} <- store.run_points(instance, mlflow_run_id, key),
         {:ok, _} <- known(points, mlflow_run_id, opts) do
      {:ok, Enum.map(points, &Metric.from_point/1)}
    end
  end

  # The points may have come before the record.
  defp known([], mlflow_run_id, opts), do: get(mlflow_run_id, opts)
  defp known(points, _mlflow_run_id, _opts), do: {:ok, points}

  @doc """
  Parts a trial (by `id` or `trial_id`) from its run, so that its next sync creates a new one.

  For a run that was deleted or is gone from MLflow. The run and its record stay as they are.
  """
  @spec unlink(String.t(), keyword) :: :ok | {:error, Error.t()}
  def unlink(trial_id, opts \\ []) do
    with {:ok, %{config: %{store: store}} = instance} <- Instance.fetch(opts),
         {:ok, trial} <- store.fetch_trial(instance, trial_id),
         {:ok, record} <- store.fetch_run_by_trial(instance, trial.id) do
      case (record && record.mlflow_run_id) || trial.mlflow_run_id do
        nil -> {:error, Error.new(:not_found, "run", "trial #{inspect(trial_id)} has no run")}
        run_id -> store.unlink_run(instance, trial, run_id)
      end
    end
  end

  defp found(opts, id, fetch) do
    with {:ok, %{config: %{store: store}} = instance} <- Instance.fetch(opts),
         {:ok, nil} <- fetch.(store, instance) do
      {:error, Error.new(:not_found, "run", "there is no run record for #{inspect(id)}")}
    end
  end
end
