defmodule MLflow.Store.Ash.Mutex do
  @moduledoc false
  # What a transaction is to data layers that have none, such as Ets: they live in one VM, and there one
  # process after the other writes. It cannot undo what was written before an error.

  @pause 1

  @doc "Runs the function while nobody else runs one of the same name; within such a function at once."
  @spec hold(term, (() -> result)) :: result when result: var
  def hold(name, fun) do
    key = {__MODULE__, name}

    case Registry.register(MLflow.Registry, key, nil) do
      {:ok, _} -> run(key, fun)
      {:error, {:already_registered, holder}} when holder == self() -> fun.()
      {:error, {:already_registered, _other}} -> wait(name, fun)
    end
  end

  defp run(key, fun) do
    fun.()
  after
    Registry.unregister(MLflow.Registry, key)
  end

  # A holder that dies leaves the registry by itself.
  defp wait(name, fun) do
    Process.sleep(@pause)
    hold(name, fun)
  end
end
