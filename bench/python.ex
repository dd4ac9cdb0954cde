defmodule Bench.Python do
  @moduledoc """
  A long-lived Python process with MLflow's own client, so that neither its start nor its
  imports are measured.
  """

  @enforce_keys [:port, :versions]
  defstruct @enforce_keys

  @type t :: %__MODULE__{port: port, versions: String.t()}

  @doc "Starts it for the server at `uri`, whose SQLite database is `database`."
  @spec start(Path.t(), String.t(), Path.t()) :: t
  def start(python, uri, database) do
    script = Path.join(__DIR__, "python_client.py")

    port =
      Port.open({:spawn_executable, python}, [
        :binary,
        :exit_status,
        line: 1024,
        args: [script, uri, database]
      ])

    %__MODULE__{port: port, versions: answer(port)}
  end

  @doc "Has the command carried out; what python_client.py tells of it, by name."
  @spec call(t, [String.t() | integer]) :: %{String.t() => float}
  def call(%__MODULE__{port: port}, words) do
    Port.command(port, [Enum.join(words, " "), "\n"])

    for [name, number] <- port |> answer() |> String.split() |> Enum.chunk_every(2), into: %{} do
      {name, String.to_float(number)}
    end
  end

  defp answer(port) do
    receive do
      {^port, {:data, {:eol, line}}} -> line
      {^port, {:exit_status, status}} -> raise "the Python client ended with status #{status}"
    end
  end
end
