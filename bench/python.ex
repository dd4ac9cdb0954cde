defmodule Bench.Python do
  @moduledoc """
  A long-lived Python process with MLflow's own client, so that neither its start nor its
  imports are measured.
  """

  @enforce_keys [:port, :versions]
  defstruct @enforce_keys

  @type t :: %__MODULE__{port: port, versions: String.t()}

  @spec start(Path.t(), String.t()) :: t
  def start(python, uri) do
    script = Path.join(__DIR__, "python_client.py")

    port =
      Port.open({:spawn_executable, python}, [
        :binary,
        :exit_status,
        line: 1024,
        args: [script, uri]
      ])

    %__MODULE__{port: port, versions: answer(port)}
  end

  @doc "The seconds the command took, as Python measured them."
  @spec seconds(t, [String.t() | integer]) :: float
  def seconds(%__MODULE__{port: port}, words) do
    Port.command(port, [Enum.join(words, " "), "\n"])
    port |> answer() |> String.to_float()
  end

  defp answer(port) do
    receive do
      {^port, {:data, {:eol, line}}} -> line
      {^port, {:exit_status, status}} -> raise "the Python client ended with status #{status}"
    end
  end
end
