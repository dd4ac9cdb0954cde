defmodule Bench.Stats do
  @moduledoc "Times, and what is made of many of them."

  @doc "Runs `fun`; its seconds, by the monotonic clock, and its result."
  @spec timed((() -> result)) :: {float, result} when result: var
  def timed(fun) do
    started = System.monotonic_time()
    result = fun.()

    {System.convert_time_unit(System.monotonic_time() - started, :native, :microsecond) / 1.0e6,
     result}
  end

  @spec median([number]) :: number
  def median(values), do: percentile(values, 0.5)

  @doc "The smallest value that `share` of all values do not exceed."
  @spec percentile([number], float) :: number
  def percentile(values, share) do
    values |> Enum.sort() |> Enum.at(max(ceil(share * length(values)) - 1, 0))
  end

  @spec format(number, non_neg_integer) :: String.t()
  def format(number, decimals), do: :erlang.float_to_binary(number / 1, decimals: decimals)
end
