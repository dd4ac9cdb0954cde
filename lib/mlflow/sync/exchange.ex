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

  defp claimed({:unknown, since}, _record, experiment_id, config, trial) do
    tag = Config.trial_tag(config)
    {:unknown, experiment_id, tag, Map.fetch!(trial.tags, tag), settling(since, config)}
  end

  # What was sent by a process that is dead now, or given up waiting for, may still be waiting for
  # the server; it is given this long to have its effect.
  @longest_settling 10_000

  defp settling(since, config) do
    longest = min(@longest_settling, config.request_timeout)
    (longest - (Metric.now() - since)) |> max(0) |> min(longest)
  end

  @trial ~w(id name status start_time end_time version params tags points)a

  defp carry_out(instance, trial, record, target, direction) do
    %{config: config} = instance
    tag = Config.trial_tag(config)

    order = %{
      direction: direction,
      trial: trial |> Map.take(@trial) |> Map.put(:artifact_uri, nil),
      base: record && record.base,
      policy: config.policy,
      param_tag_prefix: config.tag_prefix <> "_param.",
      history: :none,
      tag: {tag, Map.get(trial.tags, tag, trial.id)},
      target: target
    }

    Instance.request(instance, {:sync, order})
  end

  # There is no run of a creation that was refused, and its claim is given back; a lost answer
  # leaves the claim behind, so that the next attempt searches first.
  defp settle(instance, trial, record, %{run_id: nil, error: error} = report, _agreed) do
    case report.creation do
      :refused -> instance.config.store.release_claim(instance, record)
      :unknown -> instance.config.store.abandon_claim(instance, record)
      :not_needed -> :ok
    end

    failed(instance, trial, error)
  end

  defp settle(instance, trial, _record, %{error: %Error{} = error} = report, _agreed) do
    found = Map.merge(seen(report.run), %{mlflow_run_id: report.run_id, model_trial_id: trial.id})

    with {:ok, _} <- instance.config.store.put_run(instance, found),
         do: failed(instance, trial, error)
  end

  defp settle(instance, trial, record, report, agreed) do
    attrs = attrs(trial, record, report, agreed)

    with :ok <- pull(instance, trial, report),
         :ok <- put_run(instance, record, attrs) do
      {:ok, summary(report)}
    end
  end

  defp pull(instance, trial, report) do
    if pulled(report) == 0,
      do: :ok,
      else: instance.config.store.update_trial(instance, trial, report.pull)
  end

  defp put_run(instance, record, attrs) do
    if record != nil and record.sync_error == nil and RunRecord.holds?(record, attrs) do
      :ok
    else
      with {:ok, _} <- instance.config.store.put_run(instance, attrs), do: :ok
    end
  end

  # What the run holds now: what was seen of it or else known, and on top what was agreed.
  defp attrs(trial, record, report, {direction, reached}) do
    held = if report.run, do: seen(report.run), else: known(record)
    dropped = report.pushed.deleted_tags ++ report.pull.deleted_tags
    agreed = report.agreed

    Map.merge(held, %{
      mlflow_run_id: report.run_id,
      run_name: agreed.name || held[:run_name],
      status: to_string(agreed.status || held[:status]),
      end_time: agreed.end_time || held[:end_time],
      params: Map.merge(held[:params] || %{}, agreed.params),
      metrics: Map.merge(held[:metrics] || %{}, agreed.metrics),
      tags: (held[:tags] || %{}) |> Map.drop(dropped) |> Map.merge(agreed.tags),
      model_trial_id: trial.id,
      model_run_id: trial.model_run_id,
      base: report.base,
      points_seq: reached,
      synced_at: synced_at(direction, trial, record)
    })
  end

  # What changed here stays unsynced after a pull, however little that was.
  defp synced_at(:pull, _trial, record), do: record && record.synced_at
  defp synced_at(_direction, trial, _record), do: trial.version || Metric.now()

  defp seen(nil), do: %{}
  defp seen(%Run{} = run), do: RunRecord.from_run(run)

  defp known(nil), do: %{}

  defp known(record),
    do: Map.take(record, [:run_name, :status, :end_time, :params, :metrics, :tags])

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
    do:
      pushed.params + pushed.tags + length(pushed.deleted_tags) + pushed.points +
        if(pushed.updated, do: 1, else: 0)

  defp pulled(%{pull: pull}) do
    fields = Enum.count([pull.name, pull.status, pull.end_time], &(&1 != nil))

    fields + map_size(pull.params) + map_size(pull.tags) + length(pull.deleted_tags) +
      length(pull.points)
  end

  defp conflict(conflict) do
    Map.new(conflict, fn {key, value} -> {Atom.to_string(key), value} end)
  end
end
