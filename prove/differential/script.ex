defmodule Prove.Differential.Script do
  @moduledoc """
  Cases read from a file, which holds one after the other:

      == a run is created
      POST runs/create
      {"experiment_id": "${experiment}", "tags": [{"key": "k", "value": "v"}]}
      keep run = run.info.run_id

      == it is found by a filter
      GET registered-models/search
      ? filter = name LIKE '${u}%'

  A target is relative to `/api/2.0/mlflow/` unless it begins with a slash. `? name = value` is a
  query parameter, `@ Name: value` a header, `keep name = path.to.0.value` a part of the answer
  that later cases of the file name as `${name}`; all other lines are the body. A line that begins
  with `#` is a comment. Where lines begin with `- `, each is a case of its own, whose text stands
  for `%v`, and as a JSON string for `%s`:

      == runs are found by
      POST runs/search
      {"experiment_ids": ["${experiment}"], "filter": %s}
      - metrics.loss < 0.5
      - params.optimizer = "adam"

  `${u}` is a prefix that no other round uses, and `${case}` the case's number within its file.
  `${ab*3}` is `ababab`, and `$[3 {"key": "k#"}]$` is the text three times with its number for `#`,
  joined by commas.
  """

  @cases Path.join(__DIR__, "cases")

  defstruct [:name, :cases]

  @type request :: %{
          name: String.t(),
          method: String.t(),
          target: String.t(),
          query: [{String.t(), String.t()}],
          headers: [{String.t(), String.t()}],
          body: String.t(),
          keep: [{String.t(), [String.t()]}]
        }
  @type t :: %__MODULE__{name: String.t(), cases: [request]}

  @doc "All the scripts, or those that are named."
  @spec all([String.t()]) :: [t]
  def all(names \\ []) do
    for path <- @cases |> Path.join("*.http") |> Path.wildcard() |> Enum.sort(),
        name = Path.basename(path, ".http"),
        names == [] or name in names,
        do: parse(name, File.read!(path))
  end

  @doc false
  def parse(name, text) do
    [_preface | blocks] = String.split("\n" <> text, ~r/^== /m)
    cases = Enum.flat_map(blocks, &requests(name, &1))
    names = Enum.map(cases, & &1.name)
    doubled = names -- Enum.uniq(names)
    if doubled != [], do: raise(ArgumentError, "cases of the same name: #{inspect(doubled)}")
    %__MODULE__{name: name, cases: cases}
  end

  defp requests(script, block) do
    {variants, lines} =
      block
      |> String.split("\n")
      |> Enum.reject(&String.starts_with?(&1, "#"))
      |> Enum.split_with(&String.starts_with?(&1, "- "))

    if variants == [],
      do: [request(script, lines)],
      else: for("- " <> variant <- variants, do: variant(script, lines, variant))
  end

  defp variant(script, [title | lines], variant) do
    string = "\"" <> String.replace(variant, ["\\", "\""], &("\\" <> &1)) <> "\""

    lines =
      for line <- lines,
          do: line |> String.replace("%v", variant) |> String.replace("%s", string)

    request(script, ["#{title}: #{variant}" | lines])
  end

  defp request(script, [title, start | lines]) do
    [method, target] = String.split(start, " ", parts: 2)

    empty = %{
      name: "#{script}: #{title}",
      method: method,
      target: target,
      query: [],
      headers: [],
      body: "",
      keep: []
    }

    lines |> Enum.reject(&(&1 == "")) |> Enum.reverse() |> Enum.reduce(empty, &line/2)
  end

  defp line("? " <> rest, request), do: prepend(request, :query, pair(rest, " ="))
  defp line("@ " <> rest, request), do: prepend(request, :headers, pair(rest, ":"))

  defp line("keep " <> rest, request) do
    {name, path} = pair(rest, " =")
    prepend(request, :keep, {name, String.split(path, ".")})
  end

  defp line(text, %{body: ""} = request), do: %{request | body: text}
  defp line(text, request), do: %{request | body: text <> "\n" <> request.body}

  defp prepend(request, field, item), do: Map.update!(request, field, &[item | &1])

  defp pair(text, separator) do
    [name, value] = String.split(text, separator, parts: 2)
    {name, String.replace_prefix(value, " ", "")}
  end
end
