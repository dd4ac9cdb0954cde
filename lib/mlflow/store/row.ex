defmodule MLflow.Store.Row do
  @moduledoc false
  # Rows of the embedded store as structs and back. Only names that stand here become atoms.

  alias MLflow.{Error, ExperimentRecord, ModelRun, ModelTrial, RunRecord, Trial, Value}

  @structs %{
    "model_runs" => ModelRun,
    "model_trials" => ModelTrial,
    "mlflow_experiments" => ExperimentRecord,
    "mlflow_runs" => RunRecord
  }

  # Columns of doubles, which the store spells as MLflow does where the BEAM has no float.
  @numbers ~w(final_accuracy final_loss best_metric_value best_metric)a
  @spelled %{nan: "NaN", infinity: "Infinity", neg_infinity: "-Infinity"}

  @times ~w(started_at completed_at finished_at inserted_at updated_at synced_at)a

  @doc "A row as its table's struct."
  def load(nil, _table), do: nil

  def load(row, table) do
    module = Map.fetch!(@structs, table)
    struct(module, Map.new(fields(module), &{&1, load_field(&1, row[Atom.to_string(&1)])}))
  end

  defp load_field(_field, nil), do: nil
  defp load_field(field, ms) when field in @times, do: DateTime.from_unix!(ms, :millisecond)
  defp load_field(:status, name), do: known(name, Trial.statuses() ++ MLflow.Run.statuses())
  defp load_field(:state, name), do: known(name, ModelRun.states())
  defp load_field(:lifecycle_stage, name), do: known(name, [:active, :deleted])
  defp load_field(field, value) when field in @numbers, do: value |> Value.number() |> elem(1)
  defp load_field(_field, value), do: value

  defp known(name, atoms), do: Enum.find(atoms, name, &(Atom.to_string(&1) == name))

  @doc "A user's attributes as a row; an unknown one is an error that names the nearest right one."
  def dump(attrs, table) do
    fields = @structs |> Map.fetch!(table) |> fields()

    Enum.reduce_while(attrs, {:ok, %{}}, fn {key, value}, {:ok, row} ->
      case field(key, fields) do
        {:ok, field} -> {:cont, {:ok, Map.put(row, field, dump_field(field, value))}}
        :error -> {:halt, {:error, unknown(key, fields, table)}}
      end
    end)
  end

  defp fields(module), do: module |> struct() |> Map.from_struct() |> Map.keys()

  defp field(key, fields) do
    case Enum.find(fields, &(Atom.to_string(&1) == to_string(key))) do
      nil -> :error
      field -> {:ok, field}
    end
  end

  defp dump_field(field, value) when field in @times, do: Value.milliseconds(value)
  defp dump_field(field, value) when field in @numbers, do: @spelled[value] || Value.plain(value)
  defp dump_field(_field, value), do: Value.plain(value)

  defp unknown(key, fields, table) do
    nearest = Enum.max_by(fields, &String.jaro_distance("#{&1}", "#{key}"))
    message = "#{table} has no column #{inspect(key)}; did you mean #{inspect(nearest)}?"
    Error.new(:invalid, "store", message)
  end
end
