defmodule MLflow.CLI.Status do
  @moduledoc false
  # The end of a task: Mix ends the VM with the status of such an exit, and goes on without one.

  @doc "Ends the task with this exit status."
  @spec exit_with(non_neg_integer) :: :ok | no_return
  def exit_with(0), do: :ok
  def exit_with(status), do: exit({:shutdown, status})
end
