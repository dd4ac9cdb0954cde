defmodule Bench.Cargo do
  @moduledoc "The engine measured without the BEAM: its examples and benchmarks in Rust."

  @root Path.dirname(__DIR__)
  @number ~r/\d+(?:[_,]\d{3})*(?:\.\d+)?/

  @doc "Runs an example of mlflow_core that is built already; the numbers it prints."
  @spec example(String.t(), [String.t() | integer]) :: [float]
  def example(name, arguments) do
    program = Path.join([@root, "target", "release", "examples", name])

    case System.cmd(program, Enum.map(arguments, &to_string/1), stderr_to_stdout: true) do
      {line, 0} -> for [digits] <- Regex.scan(@number, line), do: number(digits)
      {output, _status} -> raise "#{name} failed: #{output}"
    end
  end

  @doc """
  Runs a benchmark of mlflow_core. Of each line it prints: what was done, how often, in how many
  seconds, and how often a second.
  """
  @spec bench(String.t()) :: [{String.t(), float, float, float}]
  def bench(name) do
    arguments = ~w(bench --quiet --locked --package mlflow_core --target-dir target --bench)

    case System.cmd("cargo", arguments ++ [name], cd: @root) do
      {output, 0} -> output |> String.split("\n") |> Enum.flat_map(&measured/1)
      {_output, status} -> raise "cargo bench --bench #{name} ended with status #{status}"
    end
  end

  # Words, and three numbers after them.
  defp measured(line) do
    case @number |> Regex.scan(line, return: :index) |> Enum.take(-3) do
      [[{start, _}], _, _] = numbers ->
        what =
          line |> binary_part(0, start) |> String.trim_trailing() |> String.trim_trailing(":")

        [List.to_tuple([what | for([at] <- numbers, do: line |> part(at) |> number())])]

      _ ->
        []
    end
  end

  defp part(line, {start, length}), do: binary_part(line, start, length)

  defp number(digits) do
    {number, ""} = digits |> String.replace(["_", ","], "") |> Float.parse()
    number
  end
end
