defmodule MLflow.Store.Row do
  @moduledoc false
  # Rows of the embedded store as structs and back. Only names that stand here become atoms.

  alias MLflow.{Conflict, Error, ExperimentRecord, ModelRun, ModelTrial, RunRecord}
  alias MLflow.{SyncAttempt, Trial, Value}

  @structs %{
    "model_runs" => ModelRun,
    "model_trials" => ModelTrial,
    "mlflow_experiments" => ExperimentRecord,
    "mlflow_runs" => RunRecord,
    "sync_attempts" => SyncAttempt,
    "sync_conflicts" => Conflict
  }

  # Columns of doubles, which the store spells as MLflow does where the BEAM has no float.
  @numbers ~w(final_accuracy final_loss best_metric_value best_metric)a
  @spelled %{nan: "NaN", infinity: "Infinity", neg_infinity: "-Infinity"}

  @times ~w(started_at completed_at finished_at inserted_at updated_at synced_at at)a

  # Experiments are compared by the thousand: names are spelled once.
  @fields Map.new(@structs, fn {table, module} ->
            fields = module |> struct() |> Map.from_struct() |> Map.keys()
            {table, Enum.map(fields, &{&1, Atom.to_string(&1)})}
          end)

  @doc "A row as its table's struct."
  def load(nil, _table), do: nil

  def load(row, table) do
    @fields
    |> Map.fetch!(table)
    |> Enum.reduce(struct(Map.fetch!(@structs, table)), fn {field, name}, loaded ->
      case row do
        %{^name => value} when value != nil -> %{loaded | field => load_field(field, value)}
        _ -> loaded
      end
    end)
  end

  defp load_field(field, ms) when field in @times, do: DateTime.from_unix!(ms, :millisecond)
  defp load_field(:status, name), do: known(name, Trial.statuses() ++ MLflow.Run.statuses())
  defp load_field(:state, name), do: known(name, ModelRun.states())
  defp load_field(:lifecycle_stage, name), do: known(name, [:active, :deleted])
  defp load_field(:action, name), do: known(name, SyncAttempt.actions())
  defp load_field(:direction, name), do: known(name, SyncAttempt.directions())
  defp load_field(:result, name), do: known(name, SyncAttempt.results())
  defp load_field(:winner, name), do: known(name, [:local, :remote])
  defp load_field(:error, map), do: Error.from_map(map)
  defp load_field(field, value) when field in @numbers, do: value |> Value.number() |> elem(1)
  defp load_field(_field, value), do: value

  defp known(name, atoms), do: Enum.find(atoms, name, &(Atom.to_string(&1) == name))

  @doc "A user's attributes as a row; an unknown one is an error that names the nearest right one."
  def dump(attrs, table) do
    fields = Map.fetch!(@fields, table)

    Enum.reduce_while(attrs, {:ok, %{}}, fn {key, value}, {:ok, row} ->
      case field(key, fields) do
        {field, _name} -> {:cont, {:ok, Map.put(row, field, dump_field(field, value))}}
        nil -> {:halt, {:error, unknown(key, fields, table)}}
      end
    end)
  end

  @doc "The same for many; the first error counts."
  def dump_all(many, table) do
    Enum.reduce_while(many, {:ok, []}, fn attrs, {:ok, rows} ->
      case dump(attrs, table) do
        {:ok, row} -> {:cont, {:ok, [row | rows]}}
        error -> {:halt, error}
      end
    end)
    |> case do
      {:ok, rows} -> {:ok, Enum.reverse(rows)}
      error -> error
    end
  end

  defp field(key, fields) when is_atom(key), do: List.keyfind(fields, key, 0)
  defp field(key, fields), do: List.keyfind(fields, to_string(key), 1)

  defp dump_field(field, value) when field in @times, do: Value.milliseconds(value)
  defp dump_field(field, value) when field in @numbers, do: spell(value)
  defp dump_field(_field, value), do: Value.plain(value)

  @doc "A number as the store keeps it."
  def spell(value), do: @spelled[value] || Value.plain(value)

  defp unknown(key, fields, table) do
    {nearest, _} =
      Enum.max_by(fields, fn {_field, name} -> String.jaro_distance(name, "#{key}") end)

    message = "#{table} has no column #{inspect(key)}; did you mean #{inspect(nearest)}?"
    Error.new(:invalid, "store", message)
  end
end
