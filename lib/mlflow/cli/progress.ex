defmodule MLflow.CLI.Progress do
  @moduledoc false
  # How far a task is: a bar that is drawn over on a terminal, else a line for each step.

  alias MLflow.CLI.{Output, Text}

  @bar 30

  @type t :: %__MODULE__{
          output: Output.t() | nil,
          total: non_neg_integer,
          done: non_neg_integer,
          failed: non_neg_integer
        }

  defstruct [:output, total: 0, done: 0, failed: 0]

  @doc "A progress of so many steps; without an output it is silent."
  @spec new(Output.t() | nil, non_neg_integer) :: t
  def new(output, total), do: draw(%__MODULE__{output: output, total: total})

  @doc "One step more, and what it was."
  @spec step(t, :ok | :failed, String.t()) :: t
  def step(progress, how, what) do
    progress = %{progress | done: progress.done + 1}
    progress = if how == :failed, do: %{progress | failed: progress.failed + 1}, else: progress
    progress |> line(what) |> draw()
  end

  @doc "The bar alone, where steps are too many to be told one by one; `what` stands behind it."
  @spec show(t, String.t()) :: t
  def show(%{output: %{columns: columns}} = progress, what) when columns != nil,
    do: draw(progress, "  " <> what)

  def show(progress, _what), do: progress

  @doc "Takes the bar away, so that what follows begins on an empty line."
  @spec close(t) :: :ok
  def close(%{output: %{columns: columns, err: device}}) when columns != nil,
    do: IO.write(device, ["\r", String.duplicate(" ", columns - 1), "\r"])

  def close(_progress), do: :ok

  defp line(%{output: %{columns: nil} = output} = progress, what) do
    Output.warn(output, Text.shorten("[#{of(progress)}] #{Text.printable(what)}", Text.width()))
    progress
  end

  defp line(progress, _what), do: progress

  defp draw(progress, behind \\ "")

  defp draw(%{output: %{columns: columns, err: device}} = progress, behind)
       when columns != nil do
    text = bar(progress) <> behind

    IO.write(device, ["\r", text |> Text.shorten(columns - 1) |> String.pad_trailing(columns - 1)])

    progress
  end

  defp draw(progress, _behind), do: progress

  defp bar(progress) do
    share = if progress.total == 0, do: 1.0, else: progress.done / progress.total
    full = round(share * @bar)
    failed = if progress.failed > 0, do: "  #{progress.failed} failed", else: ""

    "[#{String.duplicate("#", full)}#{String.duplicate("-", @bar - full)}] " <>
      "#{String.pad_leading("#{floor(share * 100)}", 3)} %  #{of(progress)}#{failed}"
  end

  defp of(progress), do: "#{progress.done}/#{progress.total}"
end
