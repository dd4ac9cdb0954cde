defmodule Prove.Report do
  @moduledoc "What bin/prove prints at its end."

  alias Prove.Outcome

  @header [
    "proof",
    "faults",
    "kills",
    "runs",
    "points",
    "lost",
    "duplicated",
    "given up",
    "s",
    ""
  ]

  # A proof that fails may do so a thousand times over.
  @problems_shown 20

  @doc "A line for each proof."
  @spec table([{String.t(), Outcome.t()}]) :: iodata
  def table(outcomes), do: columns([@header | Enum.map(outcomes, &row/1)])

  defp row({name, outcome}) do
    faults = outcome.faults |> Map.values() |> Enum.sum()

    numbers =
      for field <- [:kills, :runs, :points, :lost, :duplicated, :given_up],
          do: "#{Map.fetch!(outcome, field)}"

    seconds = :erlang.float_to_binary(outcome.seconds, decimals: 1)
    [name, "#{faults}"] ++ numbers ++ [seconds, verdict(outcome)]
  end

  defp verdict(%{skipped: why}) when why != nil, do: "skipped"
  defp verdict(outcome), do: if(Outcome.holds?(outcome), do: "holds", else: "DOES NOT HOLD")

  @doc "What the table has no room for: faults by kind, what was seen, and what does not hold."
  @spec details([{String.t(), Outcome.t()}]) :: iodata
  def details(outcomes) do
    for {name, outcome} <- outcomes, line <- lines(outcome), do: ["  ", name, ": ", line, "\n"]
  end

  defp lines(outcome) do
    {shown, more} = Enum.split(outcome.problems, @problems_shown)

    List.wrap(outcome.skipped) ++
      faults(outcome.faults) ++
      outcome.notes ++
      Enum.map(shown, &("does not hold: " <> &1)) ++
      if(more == [], do: [], else: ["and #{length(more)} problems more"])
  end

  defp faults(faults) when map_size(faults) == 0, do: []

  defp faults(faults) do
    kinds = Enum.sort_by(faults, fn {kind, n} -> {-n, kind} end)
    ["injected: " <> Enum.map_join(kinds, ", ", fn {kind, n} -> "#{n} #{kind}" end)]
  end

  # The first and the last column are text.
  defp columns(rows) do
    widths =
      Enum.zip_with(rows, fn cells -> cells |> Enum.map(&String.length/1) |> Enum.max() end)

    for row <- rows do
      [[first | middle], [last]] = row |> Enum.split(-1) |> Tuple.to_list()
      [width | widths] = widths
      numbers = Enum.zip_with(middle, widths, &String.pad_leading/2)

      [
        "  ",
        Enum.intersperse([String.pad_trailing(first, width) | numbers] ++ [last], "  "),
        "\n"
      ]
    end
  end
end
