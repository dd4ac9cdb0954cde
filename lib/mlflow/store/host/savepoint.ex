defmodule MLflow.Store.Host.Savepoint do
  @moduledoc false
  # A call of the store in a transaction that the host has opened. PostgreSQL refuses every statement after
  # one that failed, and the host would lose what it wrote because of what was written about it here.

  alias MLflow.Error

  @doc "Runs the function; where it answers an error or raises, the repo's transaction is as it was before."
  @spec run(repo :: module, (() -> answer)) :: answer | {:error, Error.t()} when answer: term
  def run(repo, fun) do
    case repo.query("SAVEPOINT mlflow_sync", [], log: false) do
      {:ok, _} -> keep_or_undo(repo, fun)
      {:error, exception} -> {:error, failed_before(exception)}
    end
  end

  defp keep_or_undo(repo, fun) do
    case fun.() do
      {:error, _} = error ->
        undo(repo)
        error

      answer ->
        repo.query!("RELEASE SAVEPOINT mlflow_sync", [], log: false)
        answer
    end
  rescue
    exception ->
      undo(repo)
      reraise exception, __STACKTRACE__
  end

  # Without a connection there is no transaction to be kept either.
  defp undo(repo) do
    with {:ok, _} <- repo.query("ROLLBACK TO SAVEPOINT mlflow_sync", [], log: false),
         do: repo.query("RELEASE SAVEPOINT mlflow_sync", [], log: false)
  end

  defp failed_before(exception) do
    message = "the transaction around this call is lost already: #{Exception.message(exception)}"
    Error.new(:store, "store", message, retryable: true)
  end
end
