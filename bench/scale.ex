defmodule Bench.Scale do
  @moduledoc "How much of everything: all of it, or a tenth of it and once (`--quick`)."

  @type context :: %{:quick => boolean, optional(atom) => term}

  @spec rounds(context, pos_integer) :: pos_integer
  def rounds(%{quick: quick}, rounds), do: if(quick, do: 1, else: rounds)

  @spec size(context, pos_integer) :: pos_integer
  def size(%{quick: quick}, size), do: if(quick, do: div(size, 10), else: size)

  @doc "So many trials, with so many points for each of their metrics."
  @spec shape(context, pos_integer, pos_integer) :: Bench.Trials.shape()
  def shape(context, trials, points), do: %{trials: size(context, trials), points: points}
end
