defmodule MLflow.CLICase do
  @moduledoc """
  Running a task's inner function, and reading what it wrote.
  """

  alias MLflow.CLI.Output

  @doc "Runs `module.run/3` with no application around it: `{exit status, output, errors}`."
  def run(module, args, fields \\ []) do
    {:ok, out} = StringIO.open("")
    {:ok, err} = StringIO.open("")
    output = struct!(%Output{out: out, err: err}, fields)
    status = module.run(args, fn _ -> :ok end, output)
    {status, contents(out), contents(err)}
  end

  @doc "What was written to a device so far."
  def contents(device), do: device |> StringIO.contents() |> elem(1)

  @doc "The widest line of a text."
  def widest(text), do: text |> String.split("\n") |> Enum.map(&String.length/1) |> Enum.max()
end
