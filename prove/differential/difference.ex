defmodule Prove.Differential.Difference do
  @moduledoc """
  A part of two answers to one request that is not the same.
  """

  alias Prove.Differential.{Script, Side}

  defstruct [:case, :part, :expected, :got]

  @type t :: %__MODULE__{
          case: Script.request(),
          part: String.t(),
          expected: term,
          got: term
        }

  @doc "Every part in which they differ; a part is `status`, `type` or a path such as `body.run.info`."
  @spec between(Script.request(), Side.answer(), Side.answer()) :: [t]
  def between(request, expected, got) do
    for part <- [:status, :type, :body],
        {path, expected, got} <-
          walk(Map.fetch!(expected, part), Map.fetch!(got, part), "#{part}"),
        do: %__MODULE__{case: request, part: path, expected: expected, got: got}
  end

  @doc "The differences of one case as text."
  @spec describe([t]) :: iodata
  def describe([%{case: request} | _] = differences) do
    [
      "#{request.name}\n  #{request.method} #{request.target}\n",
      for({name, value} <- request.query, do: "  ? #{name} = #{shorten(value)}\n"),
      for({name, value} <- request.headers, do: "  @ #{name}: #{value}\n"),
      if(request.body != "", do: "  #{shorten(request.body)}\n", else: ""),
      for difference <- differences do
        [
          "    #{difference.part}\n",
          "      MLflow: #{shown(difference.expected)}\n",
          "      ours:   #{shown(difference.got)}\n"
        ]
      end,
      "\n"
    ]
  end

  defp walk(same, same, _path), do: []

  defp walk(%{} = expected, %{} = got, path) do
    (Map.keys(expected) ++ Map.keys(got))
    |> Enum.uniq()
    |> Enum.flat_map(fn key ->
      walk(Map.get(expected, key, :nothing), Map.get(got, key, :nothing), "#{path}.#{key}")
    end)
  end

  defp walk(expected, got, path)
       when is_list(expected) and is_list(got) and length(expected) == length(got) do
    [expected, got]
    |> Enum.zip()
    |> Enum.with_index()
    |> Enum.flat_map(fn {{expected, got}, index} -> walk(expected, got, "#{path}.#{index}") end)
  end

  defp walk(expected, got, path), do: [{path, expected, got}]

  defp shown(:nothing), do: "nothing"
  defp shown(value), do: value |> inspect(limit: 50, printable_limit: 600) |> shorten()

  defp shorten(text) do
    if String.length(text) > 700, do: String.slice(text, 0, 700) <> " ...", else: text
  end
end
