defmodule Bench.Encode do
  @moduledoc """
  How fast points become the bodies of `runs/log-batch`: in the engine, beside MLflow's own
  client, which makes messages of its metrics, and JSON of the messages.
  """

  alias Bench.{Cargo, Python, Scale, Stats}

  @points 200_000

  def title, do: "encode: points into log-batch bodies, on one core"

  def run(context) do
    count = Scale.rounds(context, 3)
    rounds = for _ <- 1..count, do: {Cargo.bench("encode"), python(context)}
    {ours, theirs} = Enum.unzip(rounds)

    rows =
      for measured <- Enum.zip_with(ours, & &1) do
        {what, points, _, _} = hd(measured)
        rates = Enum.map(measured, &elem(&1, 3))
        ratio = Stats.median(Enum.zip_with(rates, theirs, &(&1 / &2)))

        [
          "#{what} (#{round(points)})",
          millions(rates),
          millions(theirs),
          Stats.format(ratio, 1)
        ]
      end

    [["M points/s, median of #{count} rounds", "ours", "Python client", "ratio"] | rows]
  end

  defp python(context) do
    @points / Python.call(context.python, ["encode", @points])["encoding"]
  end

  defp millions(rates), do: Stats.format(Stats.median(rates) / 1.0e6, 3)
end
