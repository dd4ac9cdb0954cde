if Code.ensure_loaded?(Oban) do
  defmodule MLflow.Queue.Oban.Database do
    @moduledoc false
    # The way to the host's database: whatever it raises is an error that is answered, as everywhere
    # in this library; what raises because it was called wrongly still does.

    alias MLflow.Error

    # By name: none of them need be there.
    @failures [
      DBConnection.ConnectionError,
      Postgrex.Error,
      Exqlite.Error,
      MyXQL.Error
    ]

    @doc "The configuration of a running Oban."
    @spec conf(term) :: {:ok, Oban.Config.t()} | {:error, Error.t()}
    def conf(name) do
      if Oban.whereis(name) do
        {:ok, Oban.config(name)}
      else
        message =
          "no Oban named #{inspect(name)} is running; start it beside MLflow, or name the one " <>
            "that runs: queue: {MLflow.Queue.Oban, oban: MyApp.Oban}"

        {:error, Error.new(:config, "queue", message, retryable: true)}
      end
    end

    @doc "What `fun` answers, or the error of a database that fails."
    @spec ask(String.t(), (() -> answer)) :: answer | {:error, Error.t()} when answer: term
    def ask(operation, fun) do
      with {:error, :rollback} <- fun.(), do: {:error, rolled_back(operation)}
    rescue
      exception ->
        if exception.__struct__ in @failures,
          do: {:error, failure(operation, exception)},
          else: reraise(exception, __STACKTRACE__)
    end

    defp rolled_back(operation) do
      message = "the transaction that this is part of is rolled back already: nothing was written"
      Error.new(:store, operation, message, retryable: true)
    end

    defp failure(operation, exception) do
      message = "the job table could not be used: #{Exception.message(exception)}"
      Error.new(:store, operation, message, retryable: true)
    end
  end
end
