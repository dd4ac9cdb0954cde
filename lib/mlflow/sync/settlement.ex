defmodule MLflow.Sync.Settlement do
  @moduledoc false
  # What is recorded after the engine carried an order out: the run as it is now, what both sides
  # agree on, and how far the points have got.

  alias MLflow.{Error, Instance, Metric, Run, RunRecord, Store}
  alias MLflow.Sync.{Order, Report, Target}

  @doc "Records what an order reached, and answers its report, or the error that ended it."
  @spec settle(
          Instance.t(),
          Store.side(),
          Target.place(),
          map,
          Order.direction(),
          digest :: integer | nil
        ) :: {:ok, Report.t()} | {:error, Error.t()}
  # There is no run of a creation that was refused, and its claim is given back; a lost answer
  # leaves the claim behind, so that the next attempt searches first. One that created nothing does
  # not begin the wait for an earlier one's run anew.
  def settle(instance, side, place, %{run_id: nil, error: error} = report, _direction, _digest) do
    store = instance.config.store

    case report.creation do
      :refused -> store.release_claim(instance, place.record)
      :unknown -> store.abandon_claim(instance, place.record, Metric.now())
      :unsettled -> store.abandon_claim(instance, place.record, place.since)
      :not_needed -> :ok
    end

    failed(instance, side.trial, error)
  end

  def settle(instance, side, _place, %{error: %Error{} = error} = report, _direction, _digest) do
    found =
      Map.merge(seen(report.run), %{mlflow_run_id: report.run_id, model_trial_id: side.trial.id})

    with {:ok, _} <- instance.config.store.put_run(instance, found),
         do: failed(instance, side.trial, error)
  end

  def settle(instance, side, place, report, direction, digest) do
    side = %{side | record: place.record}

    with {:ok, {new_points, version}} <- pull(instance, side.trial, report.pull),
         summary = Report.of_exchange(report, new_points),
         # A digest stands for what was read, so it holds only where nothing was added to that.
         digest = if(summary["pushed"] == 0, do: digest),
         :ok <- put_run(instance, side.record, attrs(side, report, {direction, version}, digest)) do
      {:ok, summary}
    end
  end

  @doc """
  Keeps an error beside the run record, for the next round and for whoever looks. That the store
  cannot even do this is the error it will report by itself.
  """
  @spec failed(Instance.t(), MLflow.Trial.t(), Error.t()) :: {:error, Error.t()}
  def failed(instance, trial, error) do
    instance.config.store.put_sync_error(instance, trial, error)
    {:error, error}
  end

  @nothing Store.nothing_pulled()

  defp pull(_instance, trial, pull) when pull == @nothing, do: {:ok, {0, trial.version}}
  defp pull(instance, trial, pull), do: instance.config.store.update_trial(instance, trial, pull)

  defp put_run(instance, record, attrs) do
    if record != nil and record.sync_error == nil and RunRecord.holds?(record, attrs) do
      :ok
    else
      with {:ok, _} <- instance.config.store.put_run(instance, attrs), do: :ok
    end
  end

  # What the run holds now: what was seen of it or else known, and on top what was agreed.
  defp attrs(%{trial: trial, record: record} = side, report, {direction, version}, digest) do
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
      digest: digest,
      points_seq: reached(side, direction),
      synced_at: synced_at(record, direction, version)
    })
  end

  # A pull sends no points, so it reaches none.
  defp reached(%{record: record}, :pull), do: (record && record.points_seq) || 0
  defp reached(side, _direction), do: side.points_seq

  # What changed here stays unsynced after a pull, however little that was.
  defp synced_at(record, :pull, _version), do: record && record.synced_at
  defp synced_at(_record, _direction, version), do: version || Metric.now()

  defp seen(nil), do: %{}
  defp seen(%Run{} = run), do: RunRecord.from_run(run)

  defp known(nil), do: %{}

  defp known(record),
    do: Map.take(record, [:run_name, :status, :end_time, :params, :metrics, :tags])
end
