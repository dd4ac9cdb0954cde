defmodule MLflow.CLI.Output do
  @moduledoc false
  # Where a task writes to: what it found to `out`, what happens meanwhile and what went wrong to
  # `err`, so that a script can read the one without the other.

  alias MLflow.CLI.Text

  @type t :: %__MODULE__{
          out: IO.device(),
          err: IO.device(),
          colours?: boolean,
          columns: pos_integer | nil
        }

  # `columns` is the width of the terminal behind `err`; `nil` where that is none.
  defstruct out: :stdio, err: :stderr, colours?: false, columns: nil

  @doc "The devices of this process, as far as they are terminals."
  @spec standard() :: t
  def standard do
    columns =
      case :io.columns(:standard_error) do
        {:ok, columns} when columns > 0 -> columns
        _ -> nil
      end

    %__MODULE__{colours?: IO.ANSI.enabled?(), columns: columns}
  end

  @doc "Writes lines of what was found."
  @spec puts(t, iodata | [iodata]) :: :ok
  def puts(%__MODULE__{out: device}, text), do: IO.puts(device, text)

  @doc "Writes a line of what happens or goes wrong."
  @spec warn(t, iodata) :: :ok
  def warn(%__MODULE__{err: device}, text), do: IO.puts(device, text)

  @doc "Writes one JSON object, in one line."
  @spec json(t, map) :: :ok
  def json(output, map), do: puts(output, MLflow.Native.json_encode(map))

  @doc "The text in a colour, on a terminal that has any."
  @spec colour(t, String.t(), atom) :: IO.chardata()
  def colour(%__MODULE__{colours?: true}, text, colour),
    do: IO.ANSI.format([colour, text], true)

  def colour(_output, text, _colour), do: text

  @doc "A heading, with an empty line before it."
  @spec heading(t, String.t()) :: :ok
  def heading(output, text), do: puts(output, ["\n", colour(output, text, :bright)])

  @doc "An error, and beneath it what to do."
  @spec error(t, String.t(), String.t() | nil) :: :ok
  def error(output, message, advice \\ nil) do
    warn(output, colour(output, Text.wrap(Text.printable(message), 0), :red))
    if advice, do: warn(output, Text.wrap("-> " <> advice, 3, 0))
    :ok
  end
end
