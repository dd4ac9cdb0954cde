defmodule MLflow.Sync.Exchange do
  @moduledoc false
  # One trial and its run brought in step: the run is found or claimed, the engine carries the
  # difference out, and what was agreed is recorded.

  alias MLflow.{Config, Error, Experiments, Instance, Metric, Run, RunRecord, Trial}

  @type direction :: :push | :pull | :both

  @doc """
  Options: `run:`, the run as it was just read; `experiment_id:`, where a missing run is created.
  """
  @spec trial(Instance.t(), Trial.t(), direction, keyword) :: {:ok, map} | {:error, Error.t()}
  def trial(%Instance{} = instance, %Trial{} = trial, direction, opts \\ []) do
    store = instance.config.store

    with {:ok, known} <- store.fetch_run_by_trial(instance, trial.id),
         {:ok, record, target} <- target(instance, trial, known, opts),
         watermark = (record && record.points_seq) || 0,
         {:ok, {points, last}} <- store.load_points(instance, trial, watermark),
         # A pull sends no points, so it reaches none.
         reached = if(direction == :pull, do: watermark, else: last),
         trial = %Trial{trial | points: points},
         {:ok, report} <- carry_out(instance, trial, record, target, direction) do
      settle(instance, trial, record, report, {direction, reached})
    else
      {:error, error} -> failed(instance, trial, error)
    end
  end

  # Where the run is, or the right to create it. A run that was just read is the one.
  defp target(instance, trial, known, opts) do
    case {opts[:run], known} do
      {%Run{} = run, _} -> {:ok, known, {:read, run}}
      {nil, %RunRecord{mlflow_run_id: id}} when id != nil -> {:ok, known, {:existing, id}}
      {nil, _} when trial.mlflow_run_id != nil -> {:ok, known, {:existing, trial.mlflow_run_id}}
      {nil, _} -> claim(instance, trial, opts[:experiment_id] || trial.mlflow_experiment_id)
    end
  end

  defp claim(instance, trial, experiment_id) do
    with {:ok, experiment_id} <- experiment(instance, experiment_id),
         {:ok, {claim, record}} <-
           instance.config.store.claim_run(instance, trial, experiment_id) do
      {:ok, record, claimed(claim, record, experiment_id, instance.config, trial)}
    end
  end

  defp experiment(instance, nil), do: Experiments.default(instance)
  defp experiment(_instance, id), do: {:ok, id}

  defp claimed(:fresh, _record, experiment_id, _config, _trial), do: {:new, experiment_id}

  defp claimed(:created, record, _experiment_id, _config, _trial),
    do: {:existing, record.mlflow_run_id}

  defp claimed(:unknown, _record, experiment_id, config, trial) do
    tag = Config.trial_tag(config)
    {:unknown, experiment_id, tag, Map.fetch!(trial.tags, tag)}
  end

  defp carry_out(instance, trial, record, target, direction) do
    order = %{
      direction: direction,
      trial:
        Map.take(trial, [:id, :name, :status, :start_time, :end_time, :params, :tags, :points]),
      base: record && record.base,
      target: target
    }

    Instance.request(instance, {:sync, order})
  end

  # Nothing is known of a run whose creation was refused, and its claim is given back; an answer
  # that was lost leaves the claim, so that the next attempt searches first.
  defp settle(instance, trial, record, %{run_id: nil, error: error} = report, _agreed) do
    if report.creation == :refused, do: instance.config.store.release_claim(instance, record)
    failed(instance, trial, error)
  end

  defp settle(instance, trial, _record, %{error: %Error{} = error} = report, _agreed) do
    found = mirror(report.run, %{mlflow_run_id: report.run_id, model_trial_id: trial.id})

    with {:ok, _} <- instance.config.store.put_run(instance, found),
         do: failed(instance, trial, error)
  end

  defp settle(instance, trial, record, report, agreed) do
    store = instance.config.store
    attrs = attrs(trial, record, report, agreed)

    with :ok <- pull(instance, trial, report),
         {:ok, _} <-
           if(up_to_date?(record, attrs), do: {:ok, record}, else: store.put_run(instance, attrs)) do
      {:ok, summary(report)}
    end
  end

  defp pull(instance, trial, report) do
    if pulled(report) == 0,
      do: :ok,
      else: instance.config.store.update_trial(instance, trial, report.pull)
  end

  # What changed here stays unsynced after a pull, however little that was.
  defp attrs(trial, record, report, {direction, reached}) do
    agreed = %{
      mlflow_run_id: report.run_id,
      run_name: report.pull.name || trial.name,
      status: to_string(report.pull.status || trial.status),
      end_time: report.pull.end_time || trial.end_time,
      model_trial_id: trial.id,
      model_run_id: trial.model_run_id,
      base: report.base,
      points_seq: reached,
      synced_at:
        if(direction == :pull, do: record && record.synced_at, else: trial.version || Metric.now())
    }

    report.run
    |> mirror(agreed)
    |> Map.merge(entities(trial, record, report), fn _key, seen, ours -> Map.merge(seen, ours) end)
  end

  # What the run holds now: what was seen or known of it, and what was pushed.
  defp entities(trial, record, report) do
    kept_remote = for %{field: "param", key: key} <- report.conflicts, do: key
    latest = Map.new(trial.points, fn {key, value, _step, _timestamp} -> {key, value} end)

    %{
      params: Map.merge(known(record, :params), Map.drop(trial.params, kept_remote)),
      tags:
        known(record, :tags)
        |> Map.merge(trial.tags)
        |> Map.merge(report.pull.tags)
        |> Map.drop(report.pull.deleted_tags),
      metrics: Map.merge(known(record, :metrics), latest)
    }
  end

  defp known(nil, _field), do: %{}
  defp known(record, field), do: Map.get(record, field) || %{}

  defp mirror(nil, attrs), do: attrs
  defp mirror(%Run{} = run, attrs), do: Map.merge(RunRecord.from_run(run), attrs)

  defp up_to_date?(nil, _attrs), do: false

  defp up_to_date?(record, attrs) do
    record.sync_error == nil and record.mlflow_run_id == attrs.mlflow_run_id and
      record.base == attrs.base and record.points_seq == attrs.points_seq and
      MLflow.Value.milliseconds(record.synced_at) == MLflow.Value.milliseconds(attrs.synced_at)
  end

  # The error is kept beside the run record, for the next round and for whoever looks. That the
  # store cannot even do this is the error it will report by itself.
  defp failed(instance, trial, error) do
    instance.config.store.put_sync_error(instance, trial, error)
    {:error, error}
  end

  defp summary(report) do
    %{
      "mlflow_run_id" => report.run_id,
      "creation" => Atom.to_string(report.creation),
      "pushed" => pushed(report),
      "pulled" => pulled(report),
      "conflicts" => Enum.map(report.conflicts, &conflict/1),
      "duplicates" => report.duplicates,
      "requests" => report.reads + report.writes,
      "writes" => report.writes
    }
  end

  defp pushed(%{pushed: pushed}),
    do: pushed.params + pushed.tags + pushed.points + if(pushed.updated, do: 1, else: 0)

  defp pulled(%{pull: pull}) do
    fields = Enum.count([pull.name, pull.status, pull.end_time], &(&1 != nil))

    fields + map_size(pull.params) + map_size(pull.tags) + length(pull.deleted_tags) +
      length(pull.points)
  end

  defp conflict(conflict) do
    Map.new(conflict, fn {key, value} -> {Atom.to_string(key), value} end)
  end
end
