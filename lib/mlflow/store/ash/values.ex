if Code.ensure_loaded?(Ash) do
  defmodule MLflow.Store.Ash.Values do
    @moduledoc false
    # Values as the attributes of a resource take them.

    alias Ash.Resource.Info

    # No column holds more.
    @bigint -9_223_372_036_854_775_808..9_223_372_036_854_775_807

    @times [:utc_datetime, :utc_datetime_usec, :naive_datetime]

    @doc "A value as the attribute has it; `:error` if it cannot be one."
    @spec cast(module, atom, term) :: {:ok, term} | :error
    def cast(resource, field, value) do
      with %{type: type, constraints: constraints} <- Info.attribute(resource, field),
           true <- speakable?(value),
           {:ok, value} <- Ash.Type.cast_input(type, value, constraints),
           {:ok, value} <- Ash.Type.apply_constraints(type, value, constraints),
           true <- not is_integer(value) or value in @bigint do
        {:ok, value}
      else
        _ -> :error
      end
    end

    # No database keeps what is not text.
    defp speakable?(text) when is_binary(text),
      do: String.valid?(text) and not String.contains?(text, <<0>>)

    defp speakable?(_value), do: true

    @doc """
    Changes as a host's resource can have them: a status that its trials have not is left out, and a time
    is what the attribute takes.
    """
    @spec fitting(map, module) :: map
    def fitting(changes, resource) do
      changes
      |> Map.new(fn {field, value} -> {field, in_time(Info.attribute(resource, field), value)} end)
      |> Map.filter(fn {field, value} -> fits?(resource, field, value) end)
    end

    defp fits?(resource, field, value) when is_atom(value) and value not in [nil, true, false],
      do: cast(resource, field, value) != :error

    defp fits?(_resource, _field, _value), do: true

    defp in_time(%{type: type, constraints: constraints}, ms) when is_integer(ms) do
      if Ash.Type.storage_type(type, constraints) in @times,
        do: DateTime.from_unix!(ms, :millisecond),
        else: ms
    end

    defp in_time(_attribute, value), do: value
  end
end
