defmodule Prove.Differential.Normal do
  @moduledoc """
  Answers without what each server makes up itself. An id becomes the case in which it first appeared
  and its place there, so that an answer about the wrong run still differs; times become `<time>`
  only where they are of these days, and names only where they look generated.
  """

  alias Prove.Differential.Side

  # `names` is the server's ids so far, `experiments` those of them that are plain numbers.
  defstruct [:unique, :since, case: 0, seen: 0, names: %{}, experiments: %{}]

  @type t :: %__MODULE__{
          unique: String.t(),
          since: integer,
          case: non_neg_integer,
          seen: non_neg_integer,
          names: %{String.t() => String.t()},
          experiments: %{String.t() => String.t()}
        }

  @uuid "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
  @id Regex.compile!("(?<![0-9a-f])(?:#{@uuid}|[0-9a-f]{32})(?![0-9a-f])")
  @maps ~w(tags params metrics)
  # A set of Python's, which prints it in an order of the process.
  @set ~r/\{'[^{}]*'\}/
  @time ~r/(?<!\d)1\d{12}(?!\d)/
  @generated ~r/^[a-z]+-[a-z]+-\d{1,4}$/
  # The default experiment is as old as the server.
  @past 30 * 24 * 3_600_000
  # Where a server says the number of an experiment within a text.
  @location ~r{(?<=mlflow-artifacts:/)\d+|(?<!\w)\d+(?=/<id [\d.]+>)}
  @mention ~r/(?<![\w.-])(?<!<id |<experiment )\d+(?![\w.])/
  # What SQLAlchemy says, SQL and all.
  @database ~r/\((?:raised as a result of|sqlite3\.).*$/s

  @spec new(String.t()) :: t
  def new(unique), do: %__MODULE__{unique: unique, since: System.os_time(:millisecond) - @past}

  @spec answer(t, Side.answer()) :: {Side.answer(), t}
  def answer(normal, %{body: body} = answer) do
    {body, normal} = value(body, nil, %{normal | case: normal.case + 1, seen: 0})
    {%{answer | body: body}, normal}
  end

  defp value(map, _key, normal) when is_map(map) do
    {pairs, normal} =
      map
      |> Enum.sort()
      |> Enum.map_reduce(normal, fn {key, item}, normal ->
        {item, normal} = value(item, key, normal)
        {{String.replace(key, normal.unique, "${u}"), item}, normal}
      end)

    {Map.new(pairs), normal}
  end

  defp value(list, key, normal) when is_list(list),
    do: list |> unordered(key) |> Enum.map_reduce(normal, &value(&1, key, &2))

  defp value(number, _key, normal) when is_integer(number),
    do: {if(now?(number, normal), do: "<time>", else: number), normal}

  # Opaque, and used by later cases.
  defp value(token, "next_page_token", normal) when is_binary(token) and token != "",
    do: {"<token>", normal}

  defp value(id, "experiment_id", normal) when is_binary(id), do: experiment(id, normal)

  defp value(text, _key, normal) when is_binary(text) do
    if Regex.match?(@generated, text), do: {"<generated>", normal}, else: text(text, normal)
  end

  defp value(other, _key, normal), do: {other, normal}

  # What clients read as maps: MLflow asks its database for no order, and gets that of an index.
  defp unordered(list, key) when key in @maps do
    keys = for %{"key" => key} <- list, do: key
    if length(keys) == length(list) and keys == Enum.uniq(keys), do: Enum.sort(list), else: list
  end

  defp unordered(list, _key), do: list

  defp text(text, normal) do
    text
    |> String.replace(normal.unique, "${u}")
    |> String.replace(@database, "<the database's words>")
    |> times(normal)
    |> sets()
    |> replace(@id, normal, &id/2)
    |> then(fn {text, normal} -> replace(text, @location, normal, &experiment/2) end)
    |> then(fn {text, normal} -> mentions(text, normal) end)
  end

  # Not every number of every message: one may be a limit, and some experiment's number too.
  defp mentions(text, normal) do
    if String.contains?(text, ["experiment", "Experiment"]),
      do: replace(text, @mention, normal, &known/2),
      else: {text, normal}
  end

  defp times(text, normal) do
    Regex.replace(@time, text, fn digits ->
      if digits |> String.to_integer() |> now?(normal), do: "<time>", else: digits
    end)
  end

  defp sets(text) do
    Regex.replace(@set, text, fn "{" <> set ->
      "{" <>
        (set |> String.trim_trailing("}") |> String.split(", ") |> Enum.sort() |> Enum.join(", ")) <>
        "}"
    end)
  end

  defp id(id, normal), do: named(normal, :names, "id", id)

  # The default experiment has the same number everywhere.
  defp experiment("0", normal), do: {"0", normal}
  defp experiment(id, normal), do: named(normal, :experiments, "experiment", id)

  defp named(normal, field, what, id) do
    case normal do
      %{^field => %{^id => name}} ->
        {name, normal}

      _ ->
        normal = %{normal | seen: normal.seen + 1}
        name = "<#{what} #{normal.case}.#{normal.seen}>"
        {name, Map.update!(normal, field, &Map.put(&1, id, name))}
    end
  end

  # In a message, a number that no answer named before came from the request.
  defp known(id, normal), do: {Map.get(normal.experiments, id, id), normal}

  defp replace(text, regex, normal, fun) do
    {parts, normal} =
      regex
      |> Regex.split(text, include_captures: true)
      |> Enum.with_index()
      |> Enum.map_reduce(normal, fn {part, index}, normal ->
        if rem(index, 2) == 1, do: fun.(part, normal), else: {part, normal}
      end)

    {Enum.join(parts), normal}
  end

  defp now?(number, normal),
    do: number >= normal.since and number <= System.os_time(:millisecond) + 5_000
end
