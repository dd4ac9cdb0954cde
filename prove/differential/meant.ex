defmodule Prove.Differential.Meant do
  @moduledoc """
  Where our server answers otherwise than MLflow on purpose, and why: `meant.txt` beside this file.

      == The reason.
      parts status, body.message
      - experiments: create refuses the body: []
      parts body.runs
      - search_runs: experiments: [null]

  Each for the cases and the parts that it names, and for nothing else.
  """

  alias Prove.Differential.Difference

  @file_name Path.join(__DIR__, "meant.txt")

  @type t :: [%{cases: [String.t()], part: String.t(), reason: String.t()}]

  @spec all :: t
  def all, do: @file_name |> File.read!() |> parse()

  @doc false
  def parse(text) do
    [_preface | blocks] = String.split("\n" <> text, ~r/^== /m)

    for block <- blocks,
        [reason | groups] = String.split(block, "\nparts "),
        group <- groups,
        [parts | lines] = String.split(group, "\n"),
        part <- String.split(parts, ", "),
        do: %{cases: for("- " <> name <- lines, do: name), part: part, reason: reason}
  end

  @doc """
  What is not meant, what is, and the pairs of case and part that are meant but do not differ; of the
  scripts that were run.
  """
  @spec sift(t, [Difference.t()], [String.t()]) ::
          {[Difference.t()], [Difference.t()], [{String.t(), String.t()}]}
  def sift(meant, differences, scripts) do
    pairs = for %{cases: cases, part: part} <- meant, name <- cases, do: {name, part}
    known = MapSet.new(pairs)
    {excused, left} = Enum.split_with(differences, &({&1.case.name, &1.part} in known))
    shown = Enum.map(excused, &{&1.case.name, &1.part})
    {left, excused, Enum.filter(pairs -- shown, fn {name, _} -> script(name) in scripts end)}
  end

  defp script(name), do: name |> String.split(": ") |> hd()
end
