defmodule MLflow.Store.Host.Series do
  @moduledoc false
  # Points as they are kept, their order, and which of the values that a record tells are news.

  alias MLflow.{Metric, Trial}
  alias MLflow.Store.Host.Columns
  alias MLflow.Store.Row

  # MLflow keeps an infinity as the largest finite number and hands that back, so the two are one.
  @largest 1.7976931348623157e308

  @type kept :: %{
          key: String.t(),
          value: float,
          is_nan: boolean,
          step: integer,
          timestamp: integer,
          remote: boolean
        }

  @doc "A point as a row has it."
  @spec to_row(Metric.point(), remote? :: boolean) :: kept
  def to_row({key, value, step, timestamp}, remote?) do
    {value, is_nan} = stored(value)

    %{
      key: Columns.clean(key),
      value: value,
      is_nan: is_nan,
      step: step,
      timestamp: timestamp,
      remote: remote?
    }
  end

  @spec to_point(map) :: Metric.point()
  def to_point(%{key: key, step: step, timestamp: timestamp} = row),
    do: {key, loaded(row), step, timestamp}

  @doc "What makes a point the same as another: MLflow's own primary key of a metric row."
  @spec identity(map) :: tuple
  def identity(row), do: {row.key, row.step, row.timestamp, row.value + 0.0, row.is_nan}

  @doc "The points in the order in which MLflow's own lists have them."
  @spec sort([map]) :: [map]
  def sort(rows), do: Enum.sort_by(rows, &{&1.key, &1.step, &1.timestamp, &1.value})

  @doc "The latest point of each metric, as JSON keeps it, with new ones counted in."
  @spec latest(map, [map]) :: map
  def latest(latest, rows) do
    Enum.reduce(rows, latest, fn row, latest ->
      last = latest[row.key]

      if last == nil or order(row) > order(last),
        do: Map.put(latest, row.key, [spelled(row), row.step, row.timestamp]),
        else: latest
    end)
  end

  # MLflow orders by step, time and value, and shows the last.
  defp order([value, step, timestamp]), do: {step, timestamp, elem(stored(value), 0)}
  defp order(row), do: {row.step, row.timestamp, row.value}

  @doc """
  The points that a trial's record tells itself, and what it has told by then.

  A value without a step is the metric's final one: it is news unless the record told it before, for then
  whatever came after it is newer, or the latest point says the same. It is recorded after that point,
  or MLflow would go on showing the other. Its time is the same wherever the record is looked at.
  """
  @spec told(Trial.t(), latest :: map, reported :: map) :: {[Metric.point()], map}
  def told(%Trial{} = trial, latest, reported) do
    {points, reported} =
      Enum.reduce(trial.points, {[], reported}, fn
        {key, value, nil, time}, {points, reported} ->
          key = Columns.clean(key)
          time = time || trial.end_time || trial.version || Metric.now()
          news = if same?(reported[key], value), do: [], else: final(key, value, time, latest)
          {news ++ points, Map.put(reported, key, spelled(value))}

        {key, value, step, time}, {points, reported} ->
          {[{key, value, step, time || trial.start_time || 0} | points], reported}
      end)

    {Enum.reverse(points), reported}
  end

  defp final(key, value, time, latest) do
    case latest[key] do
      nil ->
        [{key, value, 0, time}]

      [last, step, at] ->
        if same?(last, value), do: [], else: [{key, value, step, max(time, at + 1)}]
    end
  end

  defp same?(nil, _value), do: false
  defp same?(one, other), do: stored(one) == stored(other)

  defp stored(special) when special in [:nan, "NaN"], do: {0.0, true}
  defp stored(special) when special in [:infinity, "Infinity"], do: {@largest, false}
  defp stored(special) when special in [:neg_infinity, "-Infinity"], do: {-@largest, false}
  # Adding nothing makes a zero of a negative zero, which databases take for the same.
  defp stored(number) when is_number(number), do: {number * 1.0 + 0.0, false}

  defp loaded(%{is_nan: true}), do: :nan
  defp loaded(%{value: value}) when value == @largest, do: :infinity
  defp loaded(%{value: value}) when value == -@largest, do: :neg_infinity
  defp loaded(%{value: value}), do: value * 1.0

  defp spelled(%{value: _} = row), do: row |> loaded() |> spelled()
  defp spelled(value), do: Row.spell(value)
end
