defmodule Prove.Differential.Meant do
  @moduledoc """
  Where our server answers otherwise than MLflow on purpose, and why.
  """

  alias Prove.Differential.Difference

  @type t :: [%{cases: [String.t()], part: String.t(), reason: String.t()}]

  @doc "Each for the cases and the part that it names, and for nothing else."
  @spec all :: t
  def all, do: []

  @doc """
  What is not meant, what is, and the pairs of case and part that are meant but do not differ; of the
  scripts that were run.
  """
  @spec sift(t, [Difference.t()], [String.t()]) ::
          {[Difference.t()], [Difference.t()], [{String.t(), String.t()}]}
  def sift(meant, differences, scripts) do
    pairs = for %{cases: cases, part: part} <- meant, name <- cases, do: {name, part}
    {excused, left} = Enum.split_with(differences, &({&1.case.name, &1.part} in pairs))
    shown = Enum.map(excused, &{&1.case.name, &1.part})
    {left, excused, Enum.filter(pairs -- shown, fn {name, _} -> script(name) in scripts end)}
  end

  defp script(name), do: name |> String.split(": ") |> hd()
end
