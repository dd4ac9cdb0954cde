defmodule MLflow.OsProcess do
  @moduledoc """
  Another VM with this library on its path, to be killed or to be started under another
  environment. What it prints comes line by line to the process that started it.
  """

  defstruct [:port, :pid]

  @doc """
  Code that waits, in a VM with an instance `name`, until its jobs are finished, and prints how they
  ended. Snoozed jobs are not due, and so not waited for by drain: here they are.
  """
  def finish_jobs do
    """
    wait = fn wait ->
      {:ok, open} = MLflow.SyncWorker.jobs(state: [:available, :executing, :retryable, :scheduled], name: name)
      if open != [] do
        Process.sleep(50)
        wait.(wait)
      end
    end
    wait.(wait)
    {:ok, jobs} = MLflow.SyncWorker.jobs(name: name)
    IO.puts("jobs " <> inspect(jobs |> Enum.map(& &1.state) |> Enum.frequencies()))
    """
  end

  @preamble """
  MLflow.OsProcess.attend(self())
  IO.puts("pid " <> System.pid())
  """

  @doc """
  Runs Elixir code, with the library loaded but not started. Options: `env:` (a map; a `nil`
  unsets the variable), `under:` (a command and its arguments that the VM is started by).

  The VM ends with the one that started it.
  """
  def start(code, opts \\ []) do
    # With the packages it was compiled with, where there are any.
    libraries = Path.join([Application.app_dir(:mlflow_sync), "..", "*", "ebin"])
    elixir = System.find_executable("elixir") || raise "there is no elixir on the PATH"

    env =
      for {name, value} <- Map.new(opts[:env] || %{}) do
        {String.to_charlist(name), if(value, do: String.to_charlist(value), else: false)}
      end

    [command | args] =
      Keyword.get(opts, :under, []) ++ [elixir, "-pa", libraries, "-e", @preamble <> code]

    port =
      Port.open({:spawn_executable, System.find_executable(command)}, [
        :binary,
        :exit_status,
        :stderr_to_stdout,
        line: 100_000,
        env: env,
        cd: System.tmp_dir!(),
        args: args
      ])

    %__MODULE__{port: port, pid: await_line(port, "pid ")}
  end

  @doc "Tells the process a line, which it hears with `hear/1`."
  def tell(%__MODULE__{port: port}, line), do: Port.command(port, [line, "\n"])

  @doc "In the other VM: waits until it is told this line."
  def hear(line) do
    receive do: ({:told, ^line} -> :ok)
  end

  @doc false
  # Its input ends with the VM that started it, and then so does the VM.
  def attend(listener) do
    spawn(fn ->
      for line <- IO.stream(:stdio, :line), do: send(listener, {:told, String.trim(line)})
      System.halt(137)
    end)
  end

  @doc "Runs code to its end; answers the lines it printed, and raises if it failed."
  def run!(code, opts \\ []) do
    process = start(code, opts)
    {lines, status} = await_exit(process)
    if status != 0, do: raise("exit status #{status}:\n" <> Enum.join(lines, "\n"))
    lines
  end

  @doc "Waits for a line that begins with `prefix`; answers the rest of it."
  def await_line(process, prefix, timeout \\ 60_000)
  def await_line(%__MODULE__{port: port}, prefix, timeout), do: await_line(port, prefix, timeout)

  def await_line(port, prefix, timeout) do
    receive do
      {^port, {:data, {:eol, line}}} ->
        if String.starts_with?(line, prefix),
          do: String.replace_prefix(line, prefix, ""),
          else: await_line(port, prefix, timeout)

      {^port, {:exit_status, status}} ->
        raise "the process ended with status #{status} before it said #{inspect(prefix)}"
    after
      timeout -> raise "the process did not say #{inspect(prefix)} within #{timeout} ms"
    end
  end

  @doc "Waits for the end; answers the lines that were not read yet, and the exit status."
  def await_exit(%__MODULE__{port: port}, timeout \\ 60_000), do: await_exit(port, timeout, [])

  defp await_exit(port, timeout, lines) do
    receive do
      {^port, {:data, {_, line}}} -> await_exit(port, timeout, [line | lines])
      {^port, {:exit_status, status}} -> {Enum.reverse(lines), status}
    after
      timeout -> raise "the process did not end within #{timeout} ms"
    end
  end

  @doc "`kill -9`, and waits until the process is gone."
  def kill(%__MODULE__{pid: pid} = process) do
    {_, 0} = System.cmd("kill", ["-9", pid])
    await_exit(process)
  end
end
