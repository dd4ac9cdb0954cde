defmodule MLflow.Store.Host.Experiments do
  @moduledoc false
  # What is known of MLflow's experiments.

  alias MLflow.{Error, ExperimentRecord, Store}
  alias MLflow.Store.Host.{Columns, Database, Runs}

  @doc "Changes the experiment with this `mlflow_experiment_id`, or adds it."
  @spec put(Database.t(), map) :: Store.result(ExperimentRecord.t())
  def put(db, attrs) do
    with {:ok, changes} <- Columns.changes(attrs, :experiments),
         {:ok, id} <- named(changes),
         changes = Database.without_stranger(db, :experiments, changes),
         {:ok, row} <- Database.until_settled(fn -> update_or_insert(db, id, changes) end),
         do: {:ok, Columns.experiment(row)}
  end

  defp named(%{mlflow_experiment_id: id}) when is_binary(id) and id != "", do: {:ok, id}

  defp named(_changes),
    do: {:error, Error.new(:invalid, "store", "an experiment needs its mlflow_experiment_id")}

  defp update_or_insert(db, id, changes) do
    update = Map.put(changes, :updated_at, DateTime.utc_now())

    case Database.update_all(db, :experiments, [mlflow_experiment_id: id], update) do
      {:ok, []} -> db |> Database.insert(:experiments, changes) |> Runs.again_if_taken()
      {:ok, [row]} -> {:ok, row}
      error -> error
    end
  end

  @doc "By its record's id, or else by MLflow's, or else by name, of which the newest counts."
  @spec fetch(Database.t(), String.t()) :: Store.result(ExperimentRecord.t() | nil)
  def fetch(db, id) do
    with {:ok, nil} <- by(db, :id, id),
         {:ok, nil} <- by(db, :mlflow_experiment_id, id),
         {:ok, nil} <- by(db, :name, id) do
      {:ok, nil}
    else
      {:ok, row} -> {:ok, Columns.experiment(row)}
      error -> error
    end
  end

  defp by(db, column, value) do
    value = Columns.clean(value)

    case Database.castable(db, :experiments, column, [value]) do
      [] -> {:ok, nil}
      [_] -> Database.one(db, :experiments, [{column, value}], order_by: [desc: :inserted_at])
    end
  end
end
