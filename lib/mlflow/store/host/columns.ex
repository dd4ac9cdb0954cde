defmodule MLflow.Store.Host.Columns do
  @moduledoc false
  # Attributes as columns of our tables, and rows as the records that callers get.

  alias MLflow.{Conflict, Error, ExperimentRecord, Run, RunRecord, SyncAttempt, Value}
  alias MLflow.Store.Row

  @tables %{runs: "mlflow_runs", experiments: "mlflow_experiments"}
  @kept_by_the_table [:id, :inserted_at, :updated_at]

  @doc "Attributes as the changes of a row; an unknown one is an error that names the nearest right one."
  @spec changes(map, :runs | :experiments) :: {:ok, map} | {:error, Error.t()}
  def changes(attrs, table) do
    with {:ok, row} <- Row.dump(attrs, @tables[table]) do
      row = row |> Map.drop(@kept_by_the_table) |> Map.new(fn {k, v} -> {k, clean(v)} end)
      {:ok, row |> replace(:synced_at, &time/1) |> replace(:status, &known_status/1)}
    end
  end

  defp replace(row, key, fun),
    do: if(is_map_key(row, key), do: Map.update!(row, key, fun), else: row)

  # Whatever a server invents beyond MLflow's own statuses has no place in a host's column.
  defp known_status(status), do: if(known(status, Run.statuses()), do: status)

  @doc "PostgreSQL keeps no NUL, in texts or in JSON."
  @spec clean(term) :: term
  def clean(text) when is_binary(text) do
    text = if String.valid?(text), do: text, else: inspect(text)
    String.replace(text, <<0>>, "\uFFFD")
  end

  def clean(%_{} = struct), do: struct
  def clean(map) when is_map(map), do: Map.new(map, fn {k, v} -> {clean(k), clean(v)} end)
  def clean(list) when is_list(list), do: Enum.map(list, &clean/1)
  def clean(value), do: value

  @doc "Milliseconds as a time in µs, which is what the columns have."
  @spec time(integer | nil) :: DateTime.t() | nil
  def time(nil), do: nil
  def time(ms), do: DateTime.from_unix!(ms * 1_000, :microsecond)

  @spec run(map | nil) :: RunRecord.t() | nil
  def run(nil), do: nil

  def run(row) do
    %RunRecord{
      take(row, %RunRecord{})
      | status: known(row.status, Run.statuses()),
        lifecycle_stage: known(row.lifecycle_stage, [:active, :deleted]),
        metrics: doubles(row.metrics),
        model_trial_id: text(row.model_trial_id),
        model_run_id: text(row.model_run_id)
    }
  end

  # PostgreSQL writes out a large number as an integer, and the double that was meant is another one.
  defp doubles(nil), do: nil

  defp doubles(metrics) do
    Map.new(metrics, fn
      {key, value} when is_integer(value) -> {key, value |> Value.number() |> elem(1)}
      other -> other
    end)
  end

  @spec experiment(map | nil) :: ExperimentRecord.t() | nil
  def experiment(nil), do: nil

  def experiment(row) do
    %ExperimentRecord{
      take(row, %ExperimentRecord{})
      | lifecycle_stage: known(row.lifecycle_stage, [:active, :deleted]),
        model_run_id: text(row.model_run_id)
    }
  end

  @spec attempt(map) :: SyncAttempt.t()
  def attempt(row) do
    %SyncAttempt{
      take(row, %SyncAttempt{})
      | action: known(row.action, SyncAttempt.actions()),
        direction: known(row.direction, SyncAttempt.directions()),
        result: known(row.result, SyncAttempt.results()),
        error: row.error && Error.from_map(row.error)
    }
  end

  @spec conflict(map) :: Conflict.t()
  def conflict(row),
    do: %Conflict{take(row, %Conflict{}) | winner: known(row.winner, [:local, :remote])}

  @doc "A key as text, whatever type the host's keys have."
  @spec text(term) :: String.t() | nil
  def text(nil), do: nil
  def text(key), do: to_string(key)

  @doc "The text of a name, which may be an atom."
  @spec name(atom | String.t() | nil) :: String.t() | nil
  def name(nil), do: nil
  def name(name), do: name |> Value.text() |> clean()

  defp take(row, record), do: struct(record, Map.take(row, Map.keys(record) -- [:__struct__]))

  defp known(name, atoms), do: Enum.find(atoms, &("#{&1}" == "#{name}"))
end
