defmodule MLflow.FileLock do
  @moduledoc """
  Another process that holds an SQLite database's write lock until it is told to let go.
  """

  @code """
  import sqlite3, sys
  database = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
  database.execute("BEGIN EXCLUSIVE")
  print("locked", flush=True)
  sys.stdin.readline()
  database.execute("ROLLBACK")
  print("released", flush=True)
  """

  @doc "Whether this machine has what it takes."
  def available?, do: System.find_executable("python3") != nil

  @doc "Takes the lock."
  def take(path) do
    port =
      Port.open({:spawn_executable, System.find_executable("python3")}, [
        :binary,
        :exit_status,
        :stderr_to_stdout,
        line: 10_000,
        args: ["-c", @code, path]
      ])

    MLflow.OsProcess.await_line(port, "locked")
    port
  end

  @doc "Lets go, and waits until it is done."
  def release(port) do
    Port.command(port, "\n")
    MLflow.OsProcess.await_line(port, "released")
  end
end
