defmodule MLflow.Queue.Spread do
  @moduledoc false
  # The `spread:` option: thousands of jobs that are added together would all ask the server at
  # once. Each gets a slot of its own, in their order, and begins somewhere in it, so that several
  # nodes, or several rounds, do not fall into step.

  @doc "How much later (ms) each of `count` jobs begins; whole seconds are given."
  @spec delays(non_neg_integer, keyword) :: [non_neg_integer]
  def delays(count, opts) do
    case Keyword.get(opts, :spread) || 0 do
      0 ->
        List.duplicate(0, count)

      seconds when is_integer(seconds) and seconds > 0 ->
        slot = seconds * 1_000 / max(count, 1)
        for n <- 0..(count - 1)//1, do: trunc((n + :rand.uniform()) * slot)

      other ->
        raise ArgumentError, ":spread must be whole seconds, got #{inspect(other)}"
    end
  end
end
