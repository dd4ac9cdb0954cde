defmodule MLflow.Trackable.Record do
  @moduledoc false
  # A host's record read as a trial, by the names of its fields.

  alias MLflow.{Config, Metric, Run, Trial, Value}
  alias MLflow.Trackable.Fields

  @spec to_trial(struct, Fields.t()) :: Trial.t()
  def to_trial(record, fields) do
    status = Fields.run_status(fields, get(record, fields.status))
    {start_time, end_time} = times(record, fields, Run.terminal?(status))
    id = get(record, fields.id) || get(record, fields.trial_id)

    %Trial{
      id: to_string(id),
      name: text(get(record, fields.name)) || "trial_#{get(record, fields.trial_id) || id}",
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
            {Config.trial_tag(config), text(get(record, fields.trial_id)) || trial.id},
            {Config.model_run_tag(config), trial.model_run_id},
            {"spectral_norm", if(flag != nil, do: Value.text(flag))}
          ],
          value != nil,
          into: %{},
          do: {key, value}

    %Trial{trial | tags: Map.merge(trial.tags, ours)}
  end

  defp params(record, fields) do
    {maps, singles} = record |> values(fields.params) |> Enum.split_with(&map_value?/1)

    of = fn values ->
      for {name, value} <- values,
          {path, leaf} <- leaves(name, value),
          leaf != nil,
          into: %{},
          do: {path, spoken(leaf)}
    end

    Map.merge(of.(singles), of.(maps))
  end

  # A column of bytes may hold what is no text.
  defp spoken(leaf) do
    text = Value.text(leaf)
    if String.valid?(text), do: text, else: inspect(text)
  end

  defp map_value?({_name, value}), do: is_map(value) and not is_struct(value)

  defp values(record, names) do
    for name <- names, value <- [get(record, name)], value != nil, do: {name, value}
  end

  defp leaves(_name, map) when is_map(map) and not is_struct(map), do: Value.leaves(map)
  defp leaves(name, value), do: [{Atom.to_string(name), value}]

  # Where the record tells neither beginning nor end, it was made when it ended, as Thunderline's
  # trials are. Never a time that moves when the record is written again: it would be a change.
  defp times(record, fields, ended?) do
    started = ms(record, fields.started_at)
    completed = ms(record, fields.completed_at)
    duration = duration(record, fields)
    made = ms(record, fields.inserted_at)

    cond do
      not ended? -> {started || made, nil}
      completed -> {started || (duration && completed - duration) || made, completed}
      started -> {started, duration && started + duration}
      tells_times?(record, fields) -> {made, nil}
      true -> {made && made - (duration || 0), made}
    end
  end

  defp duration(record, fields) do
    case record |> get(fields.duration_ms) |> Value.number() do
      {:ok, ms} when is_number(ms) -> round(ms)
      _ -> nil
    end
  end

  defp tells_times?(record, fields),
    do: is_map_key(record, fields.started_at) or is_map_key(record, fields.completed_at)

  defp ms(record, field), do: record |> get(field) |> Value.milliseconds()

  defp text(nil), do: nil
  defp text(value), do: to_string(value)

  @doc "A field's value; one that the record has not, or that was not loaded, is not known."
  def get(record, field) do
    case Map.get(record, field) do
      %{__struct__: module} when module in [Ash.NotLoaded, Ash.ForbiddenField] -> nil
      value -> value
    end
  end
end
