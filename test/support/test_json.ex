defmodule MLflow.TestJSON do
  @moduledoc """
  Just enough of a JSON reader to look at what was sent, independent of the code under test.
  """

  def decode!(text) do
    {value, rest} = value(skip(text))
    if skip(rest) != "", do: raise(ArgumentError, "JSON goes on after its end: #{inspect(rest)}")
    value
  end

  defp value("{" <> rest), do: object(skip(rest), %{})
  defp value("[" <> rest), do: array(skip(rest), [])
  defp value("\"" <> rest), do: string(rest, [])
  defp value("true" <> rest), do: {true, rest}
  defp value("false" <> rest), do: {false, rest}
  defp value("null" <> rest), do: {nil, rest}
  defp value(text), do: number(text)

  defp object("}" <> rest, map), do: {map, rest}

  defp object("\"" <> rest, map) do
    {key, rest} = string(rest, [])
    ":" <> rest = skip(rest)
    {value, rest} = value(skip(rest))
    map = Map.put(map, key, value)

    case skip(rest) do
      "," <> rest -> object(skip(rest), map)
      "}" <> rest -> {map, rest}
    end
  end

  defp array("]" <> rest, items), do: {Enum.reverse(items), rest}

  defp array(text, items) do
    {item, rest} = value(text)

    case skip(rest) do
      "," <> rest -> array(skip(rest), [item | items])
      "]" <> rest -> {Enum.reverse([item | items]), rest}
    end
  end

  defp string("\"" <> rest, parts), do: {parts |> Enum.reverse() |> IO.iodata_to_binary(), rest}

  defp string("\\u" <> <<hex::binary-size(4), rest::binary>>, parts) do
    case {String.to_integer(hex, 16), rest} do
      {high, "\\u" <> <<low::binary-size(4), rest::binary>>} when high in 0xD800..0xDBFF ->
        low = String.to_integer(low, 16)
        code = 0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00)
        string(rest, [<<code::utf8>> | parts])

      {code, rest} ->
        string(rest, [<<code::utf8>> | parts])
    end
  end

  defp string(<<"\\", escaped, rest::binary>>, parts) do
    char =
      case escaped do
        ?n -> "\n"
        ?r -> "\r"
        ?t -> "\t"
        ?b -> "\b"
        ?f -> "\f"
        other -> <<other>>
      end

    string(rest, [char | parts])
  end

  defp string(text, parts) do
    {at, 1} = :binary.match(text, ["\"", "\\"])
    <<plain::binary-size(at), rest::binary>> = text
    string(rest, [plain | parts])
  end

  defp number(text) do
    [digits] = Regex.run(~r/^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/, text)
    rest = binary_part(text, byte_size(digits), byte_size(text) - byte_size(digits))

    case Integer.parse(digits) do
      {integer, ""} -> {integer, rest}
      _ -> {digits |> Float.parse() |> elem(0), rest}
    end
  end

  defp skip(<<space, rest::binary>>) when space in [?\s, ?\n, ?\r, ?\t], do: skip(rest)
  defp skip(text), do: text
end
