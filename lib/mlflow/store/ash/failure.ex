if Code.ensure_loaded?(Ash) do
  defmodule MLflow.Store.Ash.Failure do
    @moduledoc false
    # What Ash, a data layer or a database says went wrong, as the one error of this library.

    alias Ash.Error.Changes.{InvalidAttribute, InvalidChanges, StaleRecord}
    alias Ash.Error.Forbidden.Policy
    alias Ash.Error.Invalid.{NoMatchingBulkStrategy, TenantRequired}
    alias MLflow.Error

    # What the database cannot hold, by its own names for text and by the driver's for numbers: another try
    # brings nothing.
    @unspeakable [
      :untranslatable_character,
      :character_not_in_repertoire,
      DBConnection.EncodeError
    ]

    @with_errors [Ash.Changeset, Ash.Query, Ash.ActionInput]

    @doc "Runs what calls Ash; what it raises is an error, too."
    def guard(resource, action, fun) do
      case fun.() do
        {:error, error} -> {:error, from(error, resource, action)}
        answer -> answer
      end
    rescue
      exception -> {:error, from(exception, resource, action)}
    catch
      # By this Ash leaves the transaction that an action failed in, which may be the host's: what becomes
      # of that is not Ash's to say.
      {DBConnection, _transaction, reason} -> {:error, from(reason, resource, action)}
    end

    @spec from(term, module, atom) :: Error.t()
    def from(%Error{} = error, _resource, _action), do: error

    def from(%module{errors: errors}, resource, action) when module in @with_errors,
      do: from(errors, resource, action)

    def from(error, resource, action) do
      error = Ash.Error.to_error_class(error)
      causes = causes(error)
      {kind, message, fields} = explain(error, causes, resource, action)
      Error.new(kind, "store", message, fields)
    end

    @doc "Whether all that is wrong is that many rows cannot be changed in one statement."
    @spec not_at_once?(term) :: boolean
    def not_at_once?(errors) do
      errors
      |> Ash.Error.to_error_class()
      |> causes()
      |> Enum.any?(&is_struct(&1, NoMatchingBulkStrategy))
    end

    defp causes(%{errors: errors}) when is_list(errors), do: Enum.flat_map(errors, &causes/1)
    defp causes(error), do: [error]

    # A transaction answers what went wrong in the midst of it, which says itself where that was.
    defp explain(%Ash.Error.Forbidden{}, causes, resource, action) do
      {resource, action} =
        Enum.find_value(causes, {resource, action}, fn
          %Policy{resource: resource, action: %{name: action}} -> {resource, action}
          _other -> nil
        end)

      message =
        "the policies of #{inspect(resource)} do not let this actor use the action #{inspect(action)}: " <>
          "allow it, or give the store another actor:"

      {:forbidden, message, []}
    end

    defp explain(error, causes, resource, action) do
      cond do
        cause = Enum.find(causes, &taken?/1) ->
          {:already_exists, "#{inspect(resource)} has such a row already: #{short(cause)}", []}

        Enum.any?(causes, &is_struct(&1, TenantRequired)) ->
          {:config, "#{inspect(resource)} is multitenant: give the store a tenant:", []}

        Enum.any?(causes, &is_struct(&1, StaleRecord)) ->
          message =
            "a row of #{inspect(resource)} was changed or deleted by somebody else meanwhile"

          {:conflict, message, retryable: true}

        match?(%Ash.Error.Invalid{}, error) or Enum.any?(causes, &unspeakable?/1) ->
          {:invalid, refused(resource, action, causes), []}

        true ->
          {:store, refused(resource, action, causes), retryable: true}
      end
    end

    defp refused(resource, action, causes) do
      "#{inspect(resource)}, action #{inspect(action)}: " <> Enum.map_join(causes, "; ", &short/1)
    end

    # A database's constraint, or Ash's own look where the data layer has none.
    defp taken?(%InvalidAttribute{private_vars: vars, message: message}),
      do: vars[:constraint_type] == :unique or message == "has already been taken"

    defp taken?(%InvalidChanges{message: message}), do: message == "has already been taken"
    defp taken?(_error), do: false

    defp unspeakable?(%{postgres: %{code: code}}), do: code in @unspeakable
    defp unspeakable?(%module{}) when module in @unspeakable, do: true
    defp unspeakable?(%{error: error}) when is_exception(error), do: unspeakable?(error)

    # Unknown errors come with their cause written out.
    defp unspeakable?(%{error: text}) when is_binary(text),
      do: Enum.any?(@unspeakable, &String.contains?(text, name(&1)))

    defp unspeakable?(_error), do: false

    defp name(atom), do: atom |> Atom.to_string() |> String.replace_prefix("Elixir.", "")

    # Values are the host's and may be anything: long, or not for logs.
    defp short(%InvalidAttribute{} = error),
      do: short(%{error | has_value?: false, value: nil} |> Exception.message())

    defp short(error) when is_exception(error), do: error |> Exception.message() |> short()
    defp short(text) when is_binary(text), do: text |> String.trim() |> String.slice(0, 500)
    defp short(other), do: other |> inspect() |> short()
  end
end
