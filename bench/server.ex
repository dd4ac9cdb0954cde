defmodule Bench.Server do
  @moduledoc "A second MLflow server, which is not there until it is started."

  @patience 150_000

  @enforce_keys [:uri, :directory]
  defstruct @enforce_keys ++ [:port]

  @type t :: %__MODULE__{uri: String.t(), directory: Path.t(), port: port | nil}

  @doc "A server's address, where nothing listens yet."
  @spec absent(Path.t()) :: t
  def absent(directory) do
    {:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})
    {:ok, number} = :inet.port(socket)
    :gen_tcp.close(socket)
    %__MODULE__{uri: "http://127.0.0.1:#{number}", directory: directory}
  end

  @doc "Starts it, and returns once it answers."
  @spec start(t) :: t
  def start(%__MODULE__{} = server) do
    "http://127.0.0.1:" <> number = server.uri

    port =
      Port.open({:spawn_executable, Path.join(__DIR__, "server.sh")}, [
        :binary,
        :exit_status,
        line: 1024,
        args: [server.directory, number]
      ])

    receive do
      {^port, {:data, {:eol, "up"}}} -> %{server | port: port}
      {^port, {:exit_status, _}} -> raise "the second MLflow server did not start"
    after
      @patience -> raise "the second MLflow server does not answer"
    end
  end

  @doc "Its database, to be read."
  @spec database(t) :: Path.t()
  def database(%__MODULE__{directory: directory}), do: Path.join(directory, "mlflow.db")

  @doc "Stops it. It also stops when this VM ends, however that ends."
  @spec stop(t) :: :ok
  def stop(%__MODULE__{port: port}) do
    Port.close(port)
    :ok
  end
end
