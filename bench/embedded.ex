defmodule Bench.Embedded do
  @moduledoc "The standalone tracking server, measured from outside as MLflow's own is."

  @program Path.join(Path.dirname(__DIR__), "target/release/mlflow_server")

  @enforce_keys [:uri, :port, :pid, :start_ms]
  defstruct @enforce_keys

  @type t :: %__MODULE__{uri: String.t(), port: port, pid: pos_integer, start_ms: float}

  @doc "Starts it on a database in `directory`; `start_ms` is the time to its first answer."
  @spec start(Path.t()) :: t
  def start(directory) do
    started = System.monotonic_time()
    port = open(["--port", "0" | files(directory)])
    {:os_pid, pid} = Port.info(port, :os_pid)

    uri =
      receive do
        {^port, {:data, {:eol, "http://" <> _ = uri}}} -> uri
        {^port, {:exit_status, status}} -> raise "mlflow_server ended with status #{status}"
      end

    "OK" = uri |> Bench.Wire.connect() |> Bench.Wire.get("/health")
    taken = System.convert_time_unit(System.monotonic_time() - started, :native, :microsecond)
    %__MODULE__{uri: uri, port: port, pid: pid, start_ms: taken / 1000}
  end

  @doc "Fills a database in `directory` with what MLflow's own has."
  @spec import(Path.t(), Path.t()) :: :ok
  def import(source, directory) do
    ["--database", database | _] = files(directory)

    {_, 0} =
      System.cmd(@program, ["import", source, "--database", database], stderr_to_stdout: true)

    :ok
  end

  @spec stop(t) :: :ok
  def stop(%__MODULE__{port: port, pid: pid}) do
    {_, 0} = System.cmd("kill", ["#{pid}"])

    receive do
      {^port, {:exit_status, 0}} -> :ok
    end
  end

  @doc "What it has resident (MB)."
  @spec memory(t) :: float
  def memory(%__MODULE__{pid: pid}) do
    [_, kb] = Regex.run(~r/^VmRSS:\s+(\d+) kB$/m, File.read!("/proc/#{pid}/status"))
    String.to_integer(kb) / 1024
  end

  defp files(directory) do
    File.mkdir_p!(directory)

    [
      "--database",
      Path.join(directory, "server.db"),
      "--artifacts",
      Path.join(directory, "artifacts")
    ]
  end

  defp open(arguments) do
    options = [:binary, :exit_status, line: 1024, args: arguments]
    Port.open({:spawn_executable, @program}, options)
  end
end
