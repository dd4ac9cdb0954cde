defmodule MLflow.Value do
  @moduledoc false
  # What users write, as what MLflow holds: keys and texts are strings, numbers are doubles.

  @doc "A key of a metric, param or tag: an atom or a string."
  def key(key) when is_binary(key), do: key
  def key(key) when is_atom(key) and key not in [nil, true, false], do: Atom.to_string(key)

  def key(other) do
    raise ArgumentError, "a key must be an atom or a string, got #{inspect(other)}"
  end

  @doc "The text of a param or tag. Lists and maps become JSON."
  def text(text) when is_binary(text), do: text
  def text(nil), do: ""

  def text(%struct{} = time) when struct in [DateTime, NaiveDateTime, Date, Time],
    do: to_string(time)

  def text(value) when is_list(value) or (is_map(value) and not is_struct(value)),
    do: MLflow.Native.json_encode(plain(value))

  def text(value) when is_atom(value) or is_number(value), do: to_string(value)

  def text(other) do
    if String.Chars.impl_for(other), do: to_string(other), else: inspect(other)
  end

  @doc "Pairs of keys and texts, from a map, a keyword list or a list of pairs."
  def pairs(pairs) when is_map(pairs) or is_list(pairs) do
    Enum.map(pairs, fn
      {key, value} -> {key(key), text(value)}
      %{key: key, value: value} -> {key(key), text(value)}
      other -> raise ArgumentError, "expected a {key, value} pair, got #{inspect(other)}"
    end)
  end

  def pairs(other) do
    raise ArgumentError, "expected a map or a list of {key, value} pairs, got #{inspect(other)}"
  end

  @doc "A metric's value, or `:error`. MLflow's own spellings of the special values count."
  @spec number(term) :: {:ok, number | :nan | :infinity | :neg_infinity} | :error
  def number(value) when is_float(value), do: {:ok, value}
  def number(value) when is_integer(value), do: {:ok, integer_as_double(value)}
  def number(value) when value in [:nan, :infinity, :neg_infinity], do: {:ok, value}
  def number(true), do: {:ok, 1.0}
  def number(false), do: {:ok, 0.0}
  def number(text) when is_binary(text), do: text |> String.trim() |> parse_number()

  # A host's decimals, without needing their package.
  def number(%{__struct__: Decimal} = decimal),
    do: parse_number(apply(Decimal, :to_string, [decimal, :normal]))

  def number(_), do: :error

  # The BEAM raises where a double would be infinite.
  defp integer_as_double(integer) do
    integer * 1.0
  rescue
    ArithmeticError -> if integer > 0, do: :infinity, else: :neg_infinity
  end

  defp parse_number(text) do
    case String.downcase(text) do
      "nan" -> {:ok, :nan}
      infinite when infinite in ~w(infinity inf +infinity +inf) -> {:ok, :infinity}
      infinite when infinite in ~w(-infinity -inf) -> {:ok, :neg_infinity}
      _ -> parse_finite(text)
    end
  end

  defp parse_finite(text) do
    case Float.parse(text) do
      {number, ""} -> {:ok, number}
      _ -> :error
    end
  rescue
    ArgumentError -> :error
  end

  @doc "The leaves of a nested map with their dotted paths, sorted; lists are leaves."
  def leaves(map), do: map |> leaves([]) |> Enum.sort()

  defp leaves(map, path) do
    Enum.flat_map(map, fn {key, value} ->
      path = [key(key) | path]

      if is_map(value) and not is_struct(value),
        do: leaves(value, path),
        else: [{path |> Enum.reverse() |> Enum.join("."), value}]
    end)
  end

  @doc "A time in ms since the epoch, or `nil`."
  def milliseconds(nil), do: nil
  def milliseconds(integer) when is_integer(integer), do: integer
  def milliseconds(%DateTime{} = time), do: DateTime.to_unix(time, :millisecond)

  def milliseconds(%NaiveDateTime{} = time),
    do: time |> DateTime.from_naive!("Etc/UTC") |> milliseconds()

  def milliseconds(other) do
    raise ArgumentError,
          "a time must be a DateTime or milliseconds since the epoch, got #{inspect(other)}"
  end

  @doc "A term with nothing in it that JSON does not have: structs and tuples are written out."
  def plain(%struct{} = time) when struct in [DateTime, NaiveDateTime, Date, Time],
    do: to_string(time)

  def plain(%_{} = struct), do: struct |> Map.from_struct() |> Map.delete(:__meta__) |> plain()
  def plain(map) when is_map(map), do: Map.new(map, fn {k, v} -> {plain_key(k), plain(v)} end)

  def plain([{key, _} | _] = list) when is_atom(key) do
    if Keyword.keyword?(list), do: list |> Map.new() |> plain(), else: Enum.map(list, &plain/1)
  end

  def plain(list) when is_list(list) do
    if List.improper?(list), do: inspect(list), else: Enum.map(list, &plain/1)
  end

  def plain(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> plain()
  def plain(text) when is_binary(text), do: if(String.valid?(text), do: text, else: inspect(text))
  def plain(value) when is_atom(value) or is_float(value), do: value

  def plain(integer) when is_integer(integer) do
    if integer in -9_223_372_036_854_775_808..18_446_744_073_709_551_615,
      do: integer,
      else: to_string(integer)
  end

  def plain(other), do: inspect(other)

  defp plain_key(key) when is_atom(key) or is_binary(key), do: to_string(key)
  defp plain_key(key), do: inspect(key)
end
