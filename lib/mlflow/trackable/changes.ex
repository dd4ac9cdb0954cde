defmodule MLflow.Trackable.Changes do
  @moduledoc false
  # What a pull changes in a host's record, by the names of its fields.

  alias MLflow.{Store, Value}
  alias MLflow.Trackable.{Fields, Record}

  @doc """
  What a pull changes in a record, by its field names, of the `writable` ones only. `accepts?` tells
  whether a field takes a value; of several names for a status the first that it takes is written.
  """
  @spec of(struct, Store.pull(), [atom], (atom, term -> boolean)) :: %{atom => term}
  def of(record, pull, writable, accepts? \\ fn _field, _value -> true end) do
    fields = Fields.of(record)

    [
      {fields.name, pull.name},
      {fields.status, status(fields, pull.status, accepts?)},
      {fields.started_at, time(record, fields.started_at, pull.start_time)},
      {fields.completed_at, time(record, fields.completed_at, pull.end_time)},
      {fields.artifact_uri, pull.artifact_uri},
      {fields.tags, tags(record, fields.tags, pull)}
      | params_and_metrics(record, fields, pull, writable, accepts?)
    ]
    |> Enum.filter(fn {field, value} -> value != nil and field in writable end)
    |> Map.new()
  end

  defp params_and_metrics(record, fields, pull, writable, accepts?) do
    spelled = Map.new(pull.metric_values, fn {key, value} -> {key, Store.Row.spell(value)} end)
    writable = fn names -> Enum.filter(names, &(&1 in writable)) end

    place(record, writable.(fields.params), pull.params, accepts?) ++
      place(record, writable.(fields.metrics), spelled, accepts?)
  end

  # What has a field of its own goes there, where that holds a number; the others go into a map.
  defp place(_record, _names, values, _accepts?) when values == %{}, do: []

  defp place(record, names, values, accepts?) do
    {maps, singles} = Enum.split_with(names, &is_map(Record.get(record, &1)))
    {own, others} = Map.split(values, Enum.map(singles, &Atom.to_string/1))
    singles = for name <- singles, is_number(own["#{name}"]), do: {name, own["#{name}"]}

    case into(maps, names, accepts?) do
      nil -> singles
      _map when others == %{} -> singles
      map -> [{map, Enum.reduce(others, Record.get(record, map) || %{}, &put_leaf/2)} | singles]
    end
  end

  # Of several maps the last counts; where all are empty, the first field that takes one.
  defp into([], names, accepts?), do: Enum.find(names, &accepts?.(&1, %{}))
  defp into(maps, _names, _accepts?), do: List.last(maps)

  # Where the map is nested, the leaf stays at its place.
  defp put_leaf({path, value}, map) do
    case place_of(map, path) do
      nil -> Map.put(map, path, value)
      keys -> put_in(map, keys, value)
    end
  end

  defp place_of(map, path) do
    Enum.find_value(map, fn {key, value} ->
      name = Value.key(key)
      nested? = is_map(value) and not is_struct(value)

      cond do
        name == path and not nested? -> [key]
        nested? and String.starts_with?(path, name <> ".") -> deeper(key, value, name, path)
        true -> nil
      end
    end)
  end

  defp deeper(key, value, name, path) do
    rest = binary_part(path, byte_size(name) + 1, byte_size(path) - byte_size(name) - 1)
    with [_ | _] = keys <- place_of(value, rest), do: [key | keys]
  end

  defp tags(_record, _field, %{tags: tags, deleted_tags: []}) when tags == %{}, do: nil

  defp tags(record, field, pull) do
    (Record.get(record, field) || %{})
    |> Enum.reject(fn {key, _} -> Value.key(key) in pull.deleted_tags end)
    |> Enum.reject(fn {key, _} -> is_map_key(pull.tags, Value.key(key)) end)
    |> Map.new()
    |> Map.merge(pull.tags)
  end

  defp status(_fields, nil, _accepts?), do: nil

  defp status(fields, status, accepts?) do
    fields |> Fields.record_statuses(status) |> Enum.find(&accepts?.(fields.status, &1))
  end

  # As the record has it now, or else with its zone.
  defp time(_record, _field, nil), do: nil

  defp time(record, field, ms) do
    time = DateTime.from_unix!(ms, :millisecond)

    case Record.get(record, field) do
      %NaiveDateTime{} -> DateTime.to_naive(time)
      integer when is_integer(integer) -> ms
      _ -> time
    end
  end
end
