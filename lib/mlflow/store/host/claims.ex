defmodule MLflow.Store.Host.Claims do
  @moduledoc false
  # Who may create a trial's run. Creating one is not idempotent, so whoever is about to do it claims
  # the trial first, by compare-and-swap. A claim that was neither given back nor followed by a run means
  # that nobody knows whether the run exists.

  alias MLflow.{Metric, Native, RunRecord, Store, Trial}
  alias MLflow.Store.Host.{Columns, Database, Runs}
  alias MLflow.Store.Lease

  @unclaimed %{claimed_by: nil, claimed_until: nil}

  @doc "The changes that end a claim."
  @spec unclaimed() :: map
  def unclaimed, do: @unclaimed

  @spec take(Database.t(), Trial.t(), String.t()) :: Store.result(Store.claim())
  def take(db, trial, experiment_id),
    do: Database.until_settled(fn -> attempt(db, trial, experiment_id, Metric.now()) end)

  defp attempt(db, trial, experiment_id, now) do
    with {:ok, row} <- Runs.by_trial(db, trial.id) do
      case held(row, now) do
        :nobody ->
          make(db, claim(db, trial, experiment_id, now))

        :created ->
          {:ok, {:created, Columns.run(row)}}

        :no ->
          swap(db, row, claim(db, trial, experiment_id, now), :fresh)

        {:left_behind, since} ->
          swap(db, row, claim(db, trial, experiment_id, now), {:unknown, since})

        {:until, until} ->
          {:error, Lease.busy(trial.id, until)}
      end
    end
  end

  defp held(nil, _now), do: :nobody
  defp held(%{mlflow_run_id: id}, _now) when id != nil, do: :created
  defp held(%{claimed_by: nil}, _now), do: :no

  # An owner that is gone may have sent its request the moment before it died.
  defp held(%{claimed_by: owner, claimed_until: until}, now) do
    until = until || 0

    if until <= now or Native.owner_gone(owner),
      do: {:left_behind, min(until, now)},
      else: {:until, until}
  end

  defp make(db, claim) do
    case db |> Database.insert(:runs, claim) |> Runs.again_if_taken() do
      {:ok, row} -> {:ok, {:fresh, Columns.run(row)}}
      other -> other
    end
  end

  defp swap(db, row, claim, kind) do
    as_seen = [
      id: row.id,
      mlflow_run_id: nil,
      claimed_by: row.claimed_by,
      claimed_until: row.claimed_until
    ]

    case Database.update_all(db, :runs, as_seen, Map.put(claim, :updated_at, DateTime.utc_now())) do
      {:ok, []} -> :again
      {:ok, [row]} -> {:ok, {kind, Columns.run(row)}}
      error -> error
    end
  end

  defp claim(db, trial, experiment_id, now) do
    known =
      for {column, id} <- [mlflow_experiment_id: experiment_id, model_run_id: trial.model_run_id],
          id != nil,
          into: %{},
          do: {column, id}

    db
    |> Database.without_stranger(:runs, known)
    |> Map.merge(%{
      model_trial_id: trial.id,
      claimed_by: Native.owner(),
      claimed_until: now + Lease.length(db.config)
    })
  end

  @spec release(Database.t(), RunRecord.t()) :: Store.ok()
  def release(db, record), do: set(db, record, @unclaimed)

  @spec abandon(Database.t(), RunRecord.t(), since :: integer) :: Store.ok()
  def abandon(db, record, since), do: set(db, record, %{claimed_until: min(since, Metric.now())})

  defp set(db, record, changes) do
    changes = Map.put(changes, :updated_at, DateTime.utc_now())
    with {:ok, _} <- Runs.change(db, record, changes), do: :ok
  end
end
