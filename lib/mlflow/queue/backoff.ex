defmodule MLflow.Queue.Backoff do
  @moduledoc false
  # Exponential delays with full jitter over their upper half, so that jobs that failed together
  # do not come back together. See "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

  @base 2_000
  @cap 600_000

  @doc "ms before the attempt that follows the given one (1 for the first)."
  @spec delay(pos_integer) :: pos_integer
  def delay(attempt) do
    ceiling = min(@base * Integer.pow(2, min(attempt, 20) - 1), @cap)
    half = div(ceiling, 2)
    half + :rand.uniform(half)
  end
end
