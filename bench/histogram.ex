defmodule Bench.Histogram do
  @moduledoc """
  Times in nanoseconds, counted without making garbage, which collecting would be among what is
  measured. Up to 2 ms they are kept to 10 ns; longer ones to the µs, and up to 1 s.
  """

  @fine 10
  @fine_buckets 200_000
  @coarse 1_000
  @coarse_buckets 1_000_000

  @opaque t :: :counters.counters_ref()

  @spec new :: t
  def new, do: :counters.new(@fine_buckets + @coarse_buckets, [])

  @spec add(t, non_neg_integer) :: :ok
  def add(histogram, nanoseconds), do: :counters.add(histogram, bucket(nanoseconds), 1)

  defp bucket(ns) when ns < @fine * @fine_buckets, do: div(ns, @fine) + 1
  defp bucket(ns), do: @fine_buckets + min(div(ns, @coarse) + 1, @coarse_buckets)

  @doc "The µs that `share` of the times do not exceed; 1.0 for the longest."
  @spec percentile(t, float) :: float
  def percentile(histogram, share) do
    buckets = 1..(@fine_buckets + @coarse_buckets)
    total = buckets |> Enum.map(&:counters.get(histogram, &1)) |> Enum.sum()

    Enum.reduce_while(buckets, max(ceil(share * total), 1), fn bucket, left ->
      left = left - :counters.get(histogram, bucket)
      if left > 0, do: {:cont, left}, else: {:halt, upper(bucket) / 1000}
    end)
  end

  defp upper(bucket) when bucket <= @fine_buckets, do: bucket * @fine
  defp upper(bucket), do: (bucket - @fine_buckets) * @coarse
end
