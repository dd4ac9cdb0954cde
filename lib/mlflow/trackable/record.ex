defmodule MLflow.Trackable.Record do
  @moduledoc false
  # A host's record read as a trial by the names of its fields, and what a pull changes in it.

  alias MLflow.{Config, Metric, Run, Store, Trial, Value}
  alias MLflow.Trackable.Fields

  @spec to_trial(struct, Fields.t()) :: Trial.t()
  def to_trial(record, fields) do
    status = Fields.run_status(fields, get(record, fields.status))
    {start_time, end_time} = times(record, fields, Run.terminal?(status))
    id = get(record, fields.id) || get(record, fields.trial_id)

    %Trial{
      id: to_string(id),
      name: get(record, fields.name) || "trial_#{get(record, fields.trial_id) || id}",
      status: status,
      start_time: start_time,
      end_time: end_time,
      params: params(record, fields),
      tags: Map.new(Value.pairs(get(record, fields.tags) || %{})),
      points: for({key, value} <- final_metrics(record, fields), do: {key, value, nil, end_time}),
      artifact_uri: get(record, fields.artifact_uri),
      mlflow_run_id: get(record, fields.mlflow_run_id),
      mlflow_experiment_id: text(get(record, fields.experiment_id)),
      model_run_id: text(get(record, fields.model_run_id))
    }
  end

  @doc "The numbers that a record, or a map of its fields, ends with, by the keys they have in MLflow."
  @spec final_metrics(map, Fields.t()) :: [{String.t(), Metric.value()}]
  def final_metrics(record, fields) do
    for {name, value} <- values(record, fields.metrics),
        {path, leaf} <- leaves(name, value),
        {:ok, number} <- [Value.number(leaf)],
        do: {path, number}
  end

  @doc "The trial with the tags that lead from its run back to it, which are ours and no record's own."
  @spec own_tags(Trial.t(), struct, Config.t()) :: Trial.t()
  def own_tags(trial, record, config) do
    fields = Fields.of(record)
    flag = get(record, :spectral_norm)

    ours =
      for {key, value} <- [
            {Config.trial_tag(config), get(record, fields.trial_id) || trial.id},
            {Config.model_run_tag(config), trial.model_run_id},
            {"spectral_norm", if(flag != nil, do: Value.text(flag))}
          ],
          value != nil,
          into: %{},
          do: {key, value}

    %Trial{trial | tags: Map.merge(trial.tags, ours)}
  end

  @doc """
  What a pull changes in a record, by its field names, of the `writable` ones only. `accepts?` tells
  whether a field takes a value; of several names for a status the first that it takes is written.
  """
  @spec changes(struct, Store.pull(), [atom], (atom, term -> boolean)) :: %{atom => term}
  def changes(record, pull, writable, accepts? \\ fn _field, _value -> true end) do
    fields = Fields.of(record)

    [
      {fields.name, pull.name},
      {fields.status, status(fields, pull.status, accepts?)},
      {fields.started_at, time(record, fields.started_at, pull.start_time)},
      {fields.completed_at, time(record, fields.completed_at, pull.end_time)},
      {fields.artifact_uri, pull.artifact_uri},
      {fields.tags, tags(record, fields.tags, pull)}
      | params_and_metrics(record, fields, pull, writable)
    ]
    |> Enum.filter(fn {field, value} -> value != nil and field in writable end)
    |> Map.new()
  end

  # A param or metric that has a field of its own goes there; the others into the last map, which
  # counts where several hold one.
  defp params_and_metrics(record, fields, pull, writable) do
    spelled = Map.new(pull.metric_values, fn {key, value} -> {key, Store.Row.spell(value)} end)

    place(record, Enum.filter(fields.params, &(&1 in writable)), pull.params) ++
      place(record, Enum.filter(fields.metrics, &(&1 in writable)), spelled)
  end

  defp place(_record, _names, values) when values == %{}, do: []

  defp place(record, names, values) do
    {maps, singles} = Enum.split_with(names, &map?(record, &1))
    {own, others} = Map.split(values, Enum.map(singles, &Atom.to_string/1))
    into = List.last(maps)

    singles = for name <- singles, value = own["#{name}"], not is_binary(value), do: {name, value}

    if into && others != %{},
      do: [{into, Enum.reduce(others, get(record, into) || %{}, &put_leaf/2)} | singles],
      else: singles
  end

  # A field that holds nothing yet may be either: those that are maps are plural in every host.
  defp map?(record, name) do
    case get(record, name) do
      nil -> String.ends_with?("#{name}", "s")
      value -> is_map(value) and not is_struct(value)
    end
  end

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
    (get(record, field) || %{})
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

    case get(record, field) do
      %NaiveDateTime{} -> DateTime.to_naive(time)
      integer when is_integer(integer) -> ms
      _ -> time
    end
  end

  defp params(record, fields) do
    {maps, singles} = record |> values(fields.params) |> Enum.split_with(&map_value?/1)

    of = fn values ->
      for {name, value} <- values,
          {path, leaf} <- leaves(name, value),
          leaf != nil,
          into: %{},
          do: {path, Value.text(leaf)}
    end

    Map.merge(of.(singles), of.(maps))
  end

  defp map_value?({_name, value}), do: is_map(value) and not is_struct(value)

  defp values(record, names), do: for(name <- names, value = get(record, name), do: {name, value})

  defp leaves(_name, map) when is_map(map) and not is_struct(map), do: Value.leaves(map)
  defp leaves(name, value), do: [{Atom.to_string(name), value}]

  # Where the record tells neither beginning nor end, it was made when it ended, as Thunderline's
  # trials are. Never a time that moves when the record is written again: it would be a change.
  defp times(record, fields, ended?) do
    started = ms(record, fields.started_at)
    completed = ms(record, fields.completed_at)
    duration = get(record, fields.duration_ms)
    made = ms(record, fields.inserted_at)

    cond do
      not ended? -> {started || made, nil}
      completed -> {started || (duration && completed - duration) || made, completed}
      started -> {started, duration && started + duration}
      tells_times?(record, fields) -> {made, nil}
      true -> {made && made - (duration || 0), made}
    end
  end

  defp tells_times?(record, fields),
    do: is_map_key(record, fields.started_at) or is_map_key(record, fields.completed_at)

  defp ms(record, field), do: record |> get(field) |> Value.milliseconds()

  defp text(nil), do: nil
  defp text(value), do: to_string(value)

  # A field that was not loaded is not known.
  defp get(record, field) do
    case Map.get(record, field) do
      %{__struct__: module} when module in [Ash.NotLoaded, Ash.ForbiddenField] -> nil
      value -> value
    end
  end
end
