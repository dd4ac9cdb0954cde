defmodule MLflow.CLI.Options do
  @moduledoc false
  # A task's command line, with messages that say what to write instead.

  @alike 0.8

  @type parsed :: {:ok, keyword} | :help | {:error, String.t()}

  @doc """
  Reads arguments; `switches` are those of `OptionParser`, and `--help` is one of every task.
  `argument` names what stands behind no option, in a task that takes that.
  """
  @spec parse([String.t()], keyword, atom) :: parsed
  def parse(args, switches, argument \\ nil) do
    switches = [help: :boolean] ++ switches
    {options, rest, invalid} = OptionParser.parse(args, strict: switches, aliases: [h: :help])

    cond do
      options[:help] -> :help
      invalid != [] -> {:error, mistake(hd(invalid), switches)}
      true -> with {:ok, given} <- argument(rest, argument), do: check(given ++ options)
    end
  end

  defp argument([], nil), do: {:ok, []}
  defp argument([], name), do: {:error, "a #{name} is missing"}
  defp argument([one], name) when name != nil, do: {:ok, [{name, one}]}
  defp argument([_, one | _], name) when name != nil, do: argument([one], nil)

  defp argument([one | _], nil),
    do: {:error, "what is #{inspect(one)}? It stands behind no option"}

  # Seconds, and few enough that the VM can count them in ms.
  defp check(options) do
    case options[:timeout] do
      nil -> {:ok, options}
      seconds when seconds in 1..4_000_000 -> {:ok, options}
      other -> {:error, "--timeout takes a number of seconds of at least 1, got #{other}"}
    end
  end

  defp mistake({option, value}, switches) do
    case Enum.find(switches, fn {name, _type} -> written(name) == option end) do
      nil -> "there is no option #{option}#{nearest(option, switches)}"
      {_name, type} when value == nil -> "#{option} needs #{expected(type)} behind it"
      {_name, type} -> "#{option} takes #{expected(type)}, got #{inspect(value)}"
    end
  end

  defp nearest(option, switches) do
    switches
    |> Enum.map(fn {name, _type} -> written(name) end)
    |> Enum.max_by(&String.jaro_distance(&1, option))
    |> then(&if(String.jaro_distance(&1, option) > @alike, do: "; did you mean #{&1}?", else: ""))
  end

  defp written(name), do: "--" <> (name |> Atom.to_string() |> String.replace("_", "-"))

  defp expected(types) when is_list(types), do: types |> hd() |> expected()
  defp expected(:integer), do: "a whole number"
  defp expected(:boolean), do: "no value"
  defp expected(:string), do: "a value"
end
