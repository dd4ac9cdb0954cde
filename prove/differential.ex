defmodule Prove.Differential do
  @moduledoc """
  The same requests, in the same order, to two tracking servers, and where their answers differ.

  What a server makes up itself (ids, times, names) is told apart from what it must answer by
  `Prove.Differential.Normal`; differences that are meant stand in `Prove.Differential.Meant`.
  """

  alias Prove.Differential.{Difference, Meant, Script, Side}

  @type result :: %{
          cases: non_neg_integer,
          differences: [Difference.t()],
          meant: non_neg_integer,
          unused: [{String.t(), String.t()}]
        }

  @doc """
  Runs the scripts on both. What is meant is left out of the differences, and what was meant but did
  not show is `unused`.
  """
  @spec run(String.t(), String.t(), [Script.t()], Meant.t()) :: result
  def run(real, ours, scripts, meant \\ []) do
    [expected, got] =
      [real, ours]
      |> Enum.map(fn uri -> Task.async(fn -> answers(uri, scripts) end) end)
      |> Task.await_many(:infinity)

    differences = expected |> Enum.zip(got) |> Enum.flat_map(&differences/1)
    {left, excused, unused} = Meant.sift(meant, differences, Enum.map(scripts, & &1.name))
    %{cases: length(expected), differences: left, meant: length(excused), unused: unused}
  end

  @doc "The result as text, for a person who has to find what is wrong."
  @spec report(result) :: iodata
  def report(result) do
    [
      Enum.map(Enum.chunk_by(result.differences, & &1.case.name), &Difference.describe/1),
      for {name, part} <- result.unused do
        "meant to differ, and does not: #{name}, #{part}\n"
      end,
      "#{result.cases} requests, #{length(result.differences)} differences, ",
      "#{result.meant} that are meant\n"
    ]
  end

  defp answers(uri, scripts) do
    Enum.flat_map(scripts, fn script -> Side.answers(Side.new(uri, script.name), script.cases) end)
  end

  defp differences({{request, expected}, {_request, got}}),
    do: Difference.between(request, expected, got)
end
