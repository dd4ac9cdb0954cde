defmodule MLflow.Store.Host.Runs do
  @moduledoc false
  # The rows of runs, which are those of trials before these have a run.

  alias MLflow.{Error, Metric, RunRecord, Trial}
  alias MLflow.Store.Host.{Columns, Database, Points, Series}

  @spec by_trial(Database.t(), String.t(), keyword) :: {:ok, map | nil} | {:error, Error.t()}
  def by_trial(db, trial_key, opts \\ []),
    do: Database.one(db, :runs, [model_trial_id: trial_key], opts)

  @spec by_run_id(Database.t(), String.t(), keyword) :: {:ok, map | nil} | {:error, Error.t()}
  def by_run_id(db, mlflow_run_id, opts \\ []),
    do: Database.one(db, :runs, [mlflow_run_id: Columns.clean(mlflow_run_id)], opts)

  @doc "The row of a trial, made where there is none; nobody else changes it until the transaction ends."
  @spec hold_trial(Database.t(), String.t()) :: {:ok, map} | {:error, Error.t()}
  def hold_trial(db, trial_key), do: hold_or_make(db, :model_trial_id, trial_key)

  defp hold_or_make(db, column, value) do
    Database.until_settled(fn ->
      case Database.one(db, :runs, [{column, value}], lock: true) do
        {:ok, nil} -> db |> Database.insert(:runs, %{column => value}) |> again_if_taken()
        answer -> answer
      end
    end)
  end

  @doc "An insertion that found somebody else's row there is to be made anew, from the look at it."
  @spec again_if_taken(result) :: result | :again when result: {:ok, map} | {:error, Error.t()}
  def again_if_taken({:error, %Error{kind: :already_exists}}), do: :again
  def again_if_taken(answer), do: answer

  @doc "A row as it is now, which nobody else changes until the transaction ends."
  @spec hold(Database.t(), String.t()) :: {:ok, map} | {:error, Error.t()}
  def hold(db, id) do
    with {:ok, nil} <- Database.one(db, :runs, [id: id], lock: true), do: {:error, gone(id)}
  end

  @doc "Changes a row, and answers it as it is then."
  @spec change(Database.t(), map, map) :: {:ok, map} | {:error, Error.t()}
  def change(db, %{id: id}, changes) do
    case Database.update_all(db, :runs, [id: id], changes) do
      {:ok, [row]} -> {:ok, row}
      {:ok, []} -> {:error, gone(id)}
      error -> error
    end
  end

  # As when the trial that it belongs to was deleted.
  defp gone(id), do: Error.new(:not_found, "run", "the record #{id} of a run is gone")

  @doc "Keeps why the last sync failed; a claim stays, since the error does not say whether there is a run."
  @spec put_sync_error(Database.t(), Trial.t(), Error.t()) :: :ok | {:error, Error.t()}
  def put_sync_error(db, trial, error) do
    error = error |> Error.to_map() |> Map.put("version", trial.version) |> Columns.clean()
    changes = %{sync_error: error, updated_at: DateTime.utc_now()}

    Database.until_settled(fn ->
      case Database.update_all(db, :runs, [model_trial_id: trial.id], changes) do
        {:ok, []} ->
          row = %{model_trial_id: trial.id, sync_error: error}
          db |> Database.insert(:runs, row) |> again_if_taken()

        answer ->
          answer
      end
    end)
    |> case do
      {:ok, _} -> :ok
      error -> error
    end
  end

  @spec fetch_run(Database.t(), String.t()) :: {:ok, RunRecord.t() | nil} | {:error, Error.t()}
  def fetch_run(db, mlflow_run_id) do
    with {:ok, row} <- by_run_id(db, mlflow_run_id), do: {:ok, Columns.run(row)}
  end

  @spec fetch_run_by_trial(Database.t(), String.t()) ::
          {:ok, RunRecord.t() | nil} | {:error, Error.t()}
  def fetch_run_by_trial(db, trial_key) do
    with {:ok, row} <- by_trial(db, trial_key), do: {:ok, Columns.run(row)}
  end

  @spec run_ids_in_experiment(Database.t(), String.t()) ::
          {:ok, [String.t()]} | {:error, Error.t()}
  def run_ids_in_experiment(db, experiment_id) do
    filter = [mlflow_experiment_id: experiment_id, mlflow_run_id: :not_nil]

    with {:ok, rows} <- Database.all(db, :runs, filter, select: [:mlflow_run_id]),
         do: {:ok, Enum.map(rows, & &1.mlflow_run_id)}
  end

  @spec run_points(Database.t(), String.t(), String.t() | nil) ::
          {:ok, [Metric.point()]} | {:error, Error.t()}
  def run_points(db, mlflow_run_id, key) do
    with {:ok, row} <- by_run_id(db, mlflow_run_id), do: Points.history(db, row, key)
  end

  @doc "The points may come before all else that is known of the run."
  @spec put_run_points(Database.t(), String.t(), [Metric.point()]) ::
          {:ok, non_neg_integer} | {:error, Error.t()}
  def put_run_points(_db, _mlflow_run_id, []), do: {:ok, 0}

  def put_run_points(db, mlflow_run_id, points) do
    rows = Enum.map(points, &Series.to_row(&1, true))

    Database.transaction(db, fn ->
      with {:ok, run} <- hold_or_make(db, :mlflow_run_id, Columns.clean(mlflow_run_id)),
           {:ok, {new, _run}} <- Points.keep(db, run, rows),
           do: {:ok, new}
    end)
  end
end
