defmodule MLflow.CLI.Signals do
  @moduledoc false
  # What asks a task to stop. The VM would take SIGTERM for a wish to end well, and exit with 0.

  @terminated 143

  @doc "Ends the VM at once on SIGTERM, with the status that a shell expects."
  @spec attend() :: :ok
  def attend do
    # Whatever is under way may end at any instant: leases, claims and the engine are made for it.
    System.trap_signal(:sigterm, __MODULE__, fn ->
      IO.puts(:stderr, "\nstopped; what is not done yet is left for the next run")
      System.halt(@terminated)
    end)

    :ok
  end

  @doc """
  Sends `{MLflow.CLI.Signals, :terminate}` to a process on SIGTERM, which is to end well then; the VM
  goes on until it has.
  """
  @spec hand_to(pid) :: :ok
  def hand_to(pid) do
    System.trap_signal(:sigterm, __MODULE__, fn ->
      monitor = Process.monitor(pid)
      send(pid, {__MODULE__, :terminate})

      # Behind this comes the VM's own handler, which stops everything.
      receive do
        {:DOWN, ^monitor, :process, _pid, _reason} -> :ok
      end
    end)

    :ok
  end
end
