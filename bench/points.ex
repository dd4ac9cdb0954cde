defmodule Bench.Points do
  @moduledoc "Points logged one after the other, each call timed."

  alias Bench.{Histogram, Python}

  @doc "Calls `log` with each step from 1 on; how long each call took."
  @spec log(pos_integer, (pos_integer -> :ok)) :: Histogram.t()
  def log(count, log) do
    histogram = Histogram.new()
    log(1, count, log, histogram)
    histogram
  end

  defp log(step, count, _log, _histogram) when step > count, do: :ok

  defp log(step, count, log, histogram) do
    started = :erlang.monotonic_time(:nanosecond)
    log.(step)
    Histogram.add(histogram, :erlang.monotonic_time(:nanosecond) - started)
    log(step + 1, count, log, histogram)
  end

  @doc "Raises unless the server's database has a point for every step, and each once."
  @spec check!(map, Path.t(), pos_integer) :: :ok
  def check!(context, database, count) do
    %{"points" => points, "steps" => steps} = Python.call(context.python, ["points", database])

    if {points, steps} != {count / 1, count / 1},
      do: raise("of #{count} points #{points} arrived, of #{steps} steps")

    :ok
  end
end
