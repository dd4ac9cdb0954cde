if Code.ensure_loaded?(Ecto.Query) do
  defmodule MLflow.Store.Ecto.Values do
    @moduledoc false
    # Values as the columns of a schema take them.

    # No column holds more. Which it is that holds less, the database knows.
    @bigint -9_223_372_036_854_775_808..9_223_372_036_854_775_807

    @doc "A value of a field, from what we have: keys as texts, statuses as atoms or texts."
    @spec cast(module, atom, term) :: {:ok, term} | :error
    def cast(schema, field, value) do
      with {:ok, integer} when integer not in @bigint and is_integer(integer) <-
             cast_to(value, type(schema, field)),
           do: :error
    end

    # On PostgreSQL.
    defp type(schema, field) do
      with :binary_id <- schema.__schema__(:type, field), do: Ecto.UUID
    end

    # Sixteen letters are no UUID of ours, though they may be the bytes of one.
    defp cast_to(<<_::128>>, Ecto.UUID), do: :error

    defp cast_to(value, type) do
      case Ecto.Type.cast(type, value) do
        {:ok, cast} -> {:ok, cast}
        _ when is_atom(value) and not is_nil(value) -> cast_to(Atom.to_string(value), type)
        _ -> :error
      end
    end

    @doc "The columns of a row; raises `Ecto.CastError` for a value that its column cannot hold."
    @spec dump_row(module, map) :: map
    def dump_row(schema, row) do
      Map.new(row, fn {field, value} ->
        case cast(schema, field, value) do
          {:ok, cast} ->
            {field, cast}

          :error ->
            raise Ecto.CastError,
              type: type(schema, field),
              value: value,
              message: "#{inspect(value)} is no value of #{inspect(schema)}'s #{field}"
        end
      end)
    end
  end
end
