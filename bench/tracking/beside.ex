defmodule Bench.Tracking.Beside do
  @moduledoc "Both servers' figures beside one another."

  alias Bench.Stats

  @doc "A row of both, ours first, and how many times better ours is."
  @spec row(String.t(), [number], :more | :less, non_neg_integer) :: [String.t()]
  def row(what, [ours, theirs], better, decimals) do
    ratio = if better == :more, do: ours / theirs, else: theirs / ours
    [what, Stats.format(ours, decimals), Stats.format(theirs, decimals), Stats.format(ratio, 1)]
  end
end
