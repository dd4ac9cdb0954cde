defmodule MLflow.Metric do
  @moduledoc """
  One point of a metric's series.

  `value` is a float, or `:nan`, `:infinity`, `:neg_infinity`, which the BEAM has no floats for.
  `timestamp` is in ms since the epoch and fixed when the point is recorded: it is part of the
  point's identity on the server, so that a replay is absorbed instead of doubled.

      iex> MLflow.Metric.points(%{loss: 0.5}, step: 3, timestamp: 1_700_000_000_000)
      {:ok, [{"loss", 0.5, 3, 1_700_000_000_000}]}
  """

  alias MLflow.{Error, Value}

  @type value :: float | :nan | :infinity | :neg_infinity
  @type t :: %__MODULE__{
          key: String.t(),
          value: value,
          step: integer,
          timestamp: integer
        }

  @typedoc "`{key, value, step, timestamp in ms}`"
  @type point :: {String.t(), value, integer, integer}

  @enforce_keys [:key, :value]
  defstruct [:key, :value, step: 0, timestamp: nil]

  @doc """
  Points from whatever a user has at hand: a map or keyword list of values, or a list of
  `{key, value}`, `{key, value, step}`, `{key, value, step, timestamp}`, maps or structs.

  `:step` and `:timestamp` (ms) apply where a point brings none of its own. A value that is no
  number is an `:invalid` error that names its key.
  """
  @spec points(map | list, keyword) :: {:ok, [point]} | {:error, Error.t()}
  def points(metrics, opts \\ []) do
    step = Keyword.get(opts, :step) || 0
    timestamp = opts |> Keyword.get(:timestamp) |> Value.milliseconds() || now()

    collect(entries(metrics), fn
      {key, value} ->
        point(key, value, step, timestamp)

      {key, value, step} ->
        point(key, value, step, timestamp)

      {key, value, step, timestamp} ->
        point(key, value, step, timestamp)

      %{key: key, value: value} = map ->
        point(key, value, map[:step] || step, map[:timestamp] || timestamp)
    end)
  end

  @doc """
  Numbers of a possibly nested map, by dotted keys. Texts that are no numbers and `nil` are left
  out: a host's metric map may hold notes among its metrics.

      iex> MLflow.Metric.flatten(%{val: %{loss: 0.5, note: "ok"}, n: 3})
      [{"n", 3.0}, {"val.loss", 0.5}]
  """
  @spec flatten(map | nil) :: [{String.t(), value}]
  def flatten(nil), do: []

  def flatten(metrics) when is_map(metrics) do
    for {path, value} <- Value.leaves(metrics), {:ok, number} <- [Value.number(value)] do
      {path, number}
    end
  end

  def flatten(other), do: raise(ArgumentError, "metrics must be a map, got #{inspect(other)}")

  @doc false
  def from_point({key, value, step, timestamp}),
    do: %__MODULE__{key: key, value: value, step: step, timestamp: timestamp}

  @doc false
  def now, do: System.system_time(:millisecond)

  defp entries(%__MODULE__{} = metric), do: [Map.from_struct(metric)]
  defp entries(%{key: _, value: _} = metric), do: [metric]
  defp entries(metrics) when is_map(metrics), do: Map.to_list(metrics)
  defp entries(metrics) when is_list(metrics), do: Enum.map(metrics, &entry/1)
  defp entries(other), do: raise(ArgumentError, "expected metrics, got #{inspect(other)}")

  defp entry(%__MODULE__{} = metric), do: Map.from_struct(metric)
  defp entry(%{key: _, value: _} = metric), do: metric
  defp entry(tuple) when is_tuple(tuple) and tuple_size(tuple) in 2..4, do: tuple

  defp entry(other) do
    raise ArgumentError,
          "expected {key, value}, {key, value, step} or {key, value, step, timestamp}, " <>
            "got #{inspect(other)}"
  end

  defp point(key, value, step, timestamp) do
    with {:value, {:ok, number}} <- {:value, Value.number(value)},
         {:step, true} <- {:step, is_integer(step)} do
      {:ok, {Value.key(key), number, step, Value.milliseconds(timestamp)}}
    else
      {:value, :error} ->
        {:error, not_a_number(key, value)}

      {:step, false} ->
        {:error, invalid("step of metric #{key} must be an integer, got #{inspect(step)}")}
    end
  end

  defp not_a_number(key, value) do
    invalid(
      "metric #{key} must be a number, :nan, :infinity or :neg_infinity, got #{inspect(value)}"
    )
  end

  defp invalid(message), do: Error.new(:invalid, "metrics", message)

  defp collect(entries, fun) do
    Enum.reduce_while(entries, {:ok, []}, fn entry, {:ok, points} ->
      case fun.(entry) do
        {:ok, point} -> {:cont, {:ok, [point | points]}}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
    |> case do
      {:ok, points} -> {:ok, Enum.reverse(points)}
      error -> error
    end
  end
end
