defmodule MLflow.CLI.Text do
  @moduledoc false
  # Text for a terminal of 100 columns. What comes from a server or a user is made harmless first:
  # a terminal obeys control characters.

  @width 100

  @doc "How wide our output is at most."
  def width, do: @width

  @doc "A value in one line, without control characters, and without the middle of a long one."
  @spec value(term, pos_integer) :: String.t()
  def value(value, width \\ 40)
  def value(nil, _width), do: "nothing"
  def value(text, width) when is_binary(text), do: text |> printable() |> shorten(width)
  def value(value, width), do: value |> inspect() |> printable() |> shorten(width)

  @doc "The text with its control characters spelled out, and line ends kept."
  @spec printable(String.t()) :: String.t()
  def printable(text) do
    if String.valid?(text) do
      for <<char::utf8 <- text>>, into: "", do: printable_char(char)
    else
      inspect(text, limit: :infinity, printable_limit: :infinity)
    end
  end

  # The C1 controls and those that turn the direction of writing do as much as the old ones.
  defp printable_char(char)
       when (char < 0x20 and char != ?\n) or char in 0x7F..0x9F or char in 0x202A..0x202E or
              char in 0x2066..0x2069,
       do: "\\x{#{Integer.to_string(char, 16)}}"

  defp printable_char(char), do: <<char::utf8>>

  @doc "The text in one line of at most `width` characters; a long one loses its middle."
  @spec shorten(String.t(), pos_integer) :: String.t()
  def shorten(text, width) do
    text = String.replace(text, "\n", " ")
    length = String.length(text)

    if length <= width do
      text
    else
      head = div(width - 1, 2)
      tail = width - 1 - head
      String.slice(text, 0, head) <> "…" <> String.slice(text, length - tail, tail)
    end
  end

  @doc """
  Wraps words so that lines, indented by `indent`, stay within the width. The first line is
  indented by `first`. A longer word, such as an address, keeps whole.
  """
  @spec wrap(String.t(), non_neg_integer, non_neg_integer) :: String.t()
  def wrap(text, indent, first \\ nil) do
    [line | lines] =
      text
      |> String.split("\n")
      |> Enum.flat_map(&wrap_line(&1, @width - indent))

    Enum.map_join(
      [pad(first || indent) <> line | Enum.map(lines, &(pad(indent) <> &1))],
      "\n",
      &String.trim_trailing/1
    )
  end

  defp wrap_line(line, width) do
    line
    |> String.split(" ")
    |> Enum.chunk_while([], &put_word(&1, &2, width), &{:cont, join(&1), []})
  end

  defp put_word(word, [], _width), do: {:cont, [word]}

  defp put_word(word, line, width) do
    if String.length(join(line)) + 1 + String.length(word) > width,
      do: {:cont, join(line), [word]},
      else: {:cont, [word | line]}
  end

  defp join(words), do: words |> Enum.reverse() |> Enum.join(" ")
  defp pad(n), do: String.duplicate(" ", n)

  @doc "Rows of texts as lines, each column but the last as wide as its widest text."
  @spec columns([[String.t()]], non_neg_integer) :: [String.t()]
  def columns([], _indent), do: []

  def columns(rows, indent) do
    widths = rows |> Enum.zip_with(& &1) |> Enum.map(fn column -> widest(column) end)

    for row <- rows do
      row
      |> Enum.zip_with(widths, &String.pad_trailing/2)
      |> Enum.join("  ")
      |> then(&String.trim_trailing(pad(indent) <> &1))
    end
  end

  defp widest(texts), do: texts |> Enum.map(&String.length/1) |> Enum.max()

  @doc "A number and its noun: `1 trial`, `2 trials`."
  @spec count(non_neg_integer, String.t(), String.t() | nil) :: String.t()
  def count(n, noun, plural \\ nil)
  def count(1, noun, _plural), do: "1 #{noun}"
  def count(n, noun, plural), do: "#{n} #{plural || noun <> "s"}"

  @doc "A duration in ms, for people."
  @spec duration(number) :: String.t()
  def duration(ms) when ms < 10, do: "#{Float.round(ms / 1, 1)} ms"
  def duration(ms) when ms < 1_000, do: "#{round(ms)} ms"
  def duration(ms) when ms < 120_000, do: "#{Float.round(ms / 1_000, 1)} s"
  def duration(ms) when ms < 7_200_000, do: "#{round(ms / 60_000)} min"
  def duration(ms) when ms < 172_800_000, do: "#{round(ms / 3_600_000)} h"
  def duration(ms), do: "#{round(ms / 86_400_000)} days"

  @doc "A number of bytes, for people."
  @spec bytes(non_neg_integer) :: String.t()
  def bytes(n) when n < 10_000, do: count(n, "byte")
  def bytes(n) when n < 10_000_000, do: "#{Float.round(n / 1_000, 1)} kB"
  def bytes(n) when n < 10_000_000_000, do: "#{Float.round(n / 1_000_000, 1)} MB"
  def bytes(n), do: "#{Float.round(n / 1_000_000_000, 1)} GB"
end
