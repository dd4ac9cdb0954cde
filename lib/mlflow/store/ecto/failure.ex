if Code.ensure_loaded?(Ecto.Query) do
  defmodule MLflow.Store.Ecto.Failure do
    @moduledoc false
    # What a database did not do, as the error of the store. Nothing of it reaches the caller as an
    # exception: a job tries again, a hook goes on.

    alias MLflow.Error

    # What a column cannot hold, it cannot hold the next time either.
    @unfit [Ecto.CastError, Ecto.ChangeError, Ecto.Query.CastError, DBConnection.EncodeError]
    @unfit_constraints [:not_null_violation, :check_violation, :exclusion_violation]

    @doc "Runs a function on the database."
    @spec guard((() -> answer)) :: answer | {:error, Error.t()} when answer: term
    def guard(fun) do
      fun.()
    rescue
      exception -> {:error, from(exception, __STACKTRACE__)}
    catch
      :exit, reason -> {:error, store(Exception.format_exit(reason))}
    end

    defp from(%{__struct__: Postgrex.Error, postgres: %{code: code} = details}, _stacktrace),
      do: from_postgres(code, details)

    defp from(%Ecto.ConstraintError{type: :unique} = error, _stacktrace),
      do: taken(error.constraint)

    defp from(%Ecto.StaleEntryError{}, _stacktrace) do
      message =
        "the record was changed or deleted while it was written: the next sync looks again"

      Error.new(:conflict, "store", message, retryable: true)
    end

    defp from(%Ecto.ConstraintError{type: type} = error, _stacktrace)
         when type in [:check, :exclusion],
         do: unfit("the constraint #{error.constraint} refuses it")

    defp from(%module{} = exception, _stacktrace) when module in @unfit,
      do: unfit(Exception.message(exception))

    # A host's own changeset function may raise anything; where it did is worth more than that it did.
    defp from(exception, stacktrace) do
      if database?(exception),
        do: store(Exception.message(exception)),
        else: store(MLflow.Crash.format(exception, stacktrace))
    end

    defp database?(%module{}), do: module in [DBConnection.ConnectionError, Postgrex.Error]

    defp from_postgres(:undefined_table, details) do
      store(
        "#{details.message}: run the migration (mix mlflow.gen.migration writes it, " <>
          "mix ecto.migrate runs it)"
      )
    end

    defp from_postgres(:undefined_column, details) do
      store(
        "#{details.message}: bring the tables to the newest version " <>
          "(mix mlflow.gen.migration, mix ecto.migrate)"
      )
    end

    defp from_postgres(:unique_violation, details), do: taken(details[:constraint])

    defp from_postgres(code, details) do
      message = "#{details.message} (#{code})"

      # Class 22 are data exceptions.
      if code in @unfit_constraints or match?(%{pg_code: "22" <> _}, details),
        do: unfit(message),
        else: store(message)
    end

    defp unfit(message), do: Error.new(:invalid, "store", message)

    defp taken(constraint) do
      message = "there is such a row already (#{constraint})"
      Error.new(:already_exists, "store", message)
    end

    @doc "A changeset that the host refused, by its own words."
    @spec refused(Ecto.Changeset.t()) :: {:error, Error.t()}
    def refused(changeset) do
      why = Enum.map_join(changeset.errors, ", ", fn {field, {text, _}} -> "#{field} #{text}" end)
      what = inspect(changeset.data.__struct__)

      if taken?(changeset),
        do: {:error, Error.new(:already_exists, "store", "#{what}: #{why}")},
        else:
          {:error, Error.new(:invalid, "store", "#{what} refuses what it should hold: #{why}")}
    end

    defp taken?(changeset) do
      Enum.any?(changeset.errors, fn {_field, {_text, opts}} -> opts[:constraint] == :unique end)
    end

    @spec store(String.t()) :: Error.t()
    def store(message), do: Error.new(:store, "store", message, retryable: true)
  end
end
