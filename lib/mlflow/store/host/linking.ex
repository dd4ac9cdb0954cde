defmodule MLflow.Store.Host.Linking do
  @moduledoc false
  # What is known of a run is written into its row, and run and trial are linked or parted.

  alias MLflow.{Error, RunRecord, Store, Trial}
  alias MLflow.Store.Host.{Claims, Columns, Database, Points, Runs, Trials}

  # The database serves others between two chunks.
  @rows_at_once 250

  @bookkeeping [:recorded_seq, :local_seq, :latest, :reported]

  @spec put_run(Database.t(), map) :: Store.result(RunRecord.t())
  def put_run(db, attrs) do
    with {:ok, changes} <- changes(db, attrs),
         {:ok, row} <- Database.transaction(db, fn -> settle(db, changes) end),
         do: {:ok, Columns.run(row)}
  end

  @doc "Runs that are heard of for the first time are added in few statements."
  @spec put_runs(Database.t(), [map]) :: Store.result(non_neg_integer)
  def put_runs(db, many) do
    with {:ok, all} <- Database.map(many, &changes(db, &1)),
         {:ok, counts} <-
           all |> Enum.chunk_every(@rows_at_once) |> Database.map(&put_chunk(db, &1)),
         do: {:ok, Enum.sum(counts)}
  end

  defp changes(db, attrs) do
    with {:ok, changes} <- Columns.changes(attrs, :runs),
         do: {:ok, Database.without_stranger(db, :runs, changes)}
  end

  defp put_chunk(db, chunk) do
    # In one order everywhere, so that two who write the same runs wait for each other, and not both.
    chunk = Enum.sort_by(chunk, &{&1[:mlflow_run_id], &1[:model_trial_id]})

    case Database.transaction(db, fn -> put_many(db, chunk) end) do
      # Somebody else added one of them meanwhile.
      {:error, %Error{kind: :already_exists}} ->
        Database.transaction(db, fn -> put_each(db, chunk) end)

      answer ->
        answer
    end
  end

  defp put_many(db, chunk) do
    ids = for %{mlflow_run_id: id} <- chunk, id != nil, do: id

    with {:ok, rows} <-
           Database.all(db, :runs, [mlflow_run_id: {:in, ids}], select: [:mlflow_run_id]),
         known = MapSet.new(rows, & &1.mlflow_run_id),
         {new, others} = Enum.split_with(chunk, &stranger?(&1, known)),
         new = Enum.uniq_by(new, & &1.mlflow_run_id),
         {:ok, _} <- Database.insert_all(db, :runs, new),
         {:ok, _} <- put_each(db, others),
         do: {:ok, length(chunk)}
  end

  defp stranger?(run, known) do
    run[:mlflow_run_id] != nil and run[:model_trial_id] == nil and
      not MapSet.member?(known, run.mlflow_run_id)
  end

  defp put_each(db, chunk) do
    with {:ok, rows} <- Database.map(chunk, &settle(db, &1)), do: {:ok, length(rows)}
  end

  # The row, and the trial's note of which run it has become: both or neither. The trial is held first,
  # as by a host that writes its trial and then its points in one transaction: whoever takes both in the
  # other order could lock out the host.
  defp settle(db, changes) do
    with {:ok, trial} <- Trials.hold_named(db, changes[:model_trial_id]),
         {:ok, row} <- Database.until_settled(fn -> put(db, changes) end),
         do: Trials.note_run(db, row, trial, changes[:synced_at])
  end

  # In the row of the run or, where there is none, of the trial, or else in a new one. Where both have
  # one, the trial's becomes part of the run's.
  defp put(db, changes) do
    with {:ok, by_run} <- held(db, :mlflow_run_id, changes),
         {:ok, by_trial} <- held(db, :model_trial_id, changes) do
      case {by_run, by_trial} do
        {nil, nil} ->
          add(db, changes)

        {nil, row} ->
          with :ok <- refuse_second_run(row, changes), do: revise(db, row, changes)

        {%{id: id} = row, %{id: other} = claim} when id != other ->
          with {:ok, row, changes} <- absorb(db, row, claim, changes),
               do: revise(db, row, changes)

        {row, _same} ->
          with {:ok, row} <- make_way(db, row, changes), do: revise(db, row, changes)
      end
    end
  end

  defp held(db, column, changes) do
    case changes[column] do
      nil -> {:ok, nil}
      id -> Database.one(db, :runs, [{column, id}], lock: true)
    end
  end

  defp add(db, changes) do
    if changes[:mlflow_run_id] || changes[:model_trial_id] do
      db |> Database.insert(:runs, changes) |> Runs.again_if_taken()
    else
      message = "a run needs an mlflow_run_id or a model_trial_id: give at least one"
      {:error, Error.new(:invalid, "store", message)}
    end
  end

  # A row that has a run is no longer claimed and, unless an error is given, no longer in error.
  defp revise(db, row, changes) do
    has_run? = (changes[:mlflow_run_id] || row.mlflow_run_id) != nil

    changes =
      if has_run?,
        do: changes |> Map.merge(Claims.unclaimed()) |> Map.put_new(:sync_error, nil),
        else: changes

    changes = if of_run_alone?(row, changes), do: Map.delete(changes, :synced_at), else: changes

    Runs.change(db, row, Map.put(changes, :updated_at, DateTime.utc_now()))
  end

  # Of a trial's row it is the trial's version that was synced, and a look at the run says nothing of that.
  defp of_run_alone?(row, changes),
    do: row.model_trial_id != nil and changes[:model_trial_id] == nil

  defp absorb(db, row, claim, changes) do
    with :ok <- refuse_second_run(claim, row),
         {:ok, row} <- make_way(db, row, changes),
         {:ok, {row, reached}} <- Points.absorb(db, row, claim.id, changes[:points_seq]),
         {:ok, _} <- Database.delete_all(db, :runs, id: claim.id),
         known = Map.reject(Map.take(claim, [:mlflow_experiment_id, :model_run_id]), &unknown?/1),
         missing = Map.filter(known, fn {column, _} -> Map.fetch!(row, column) == nil end),
         told = %{reported: Map.merge(row.reported, claim.reported)},
         {:ok, row} <- Runs.change(db, row, Map.merge(missing, told)) do
      {:ok, row, if(reached, do: %{changes | points_seq: reached}, else: changes)}
    end
  end

  defp unknown?({_column, value}), do: value == nil

  # Whoever had this run keeps the points it brought.
  defp make_way(db, %{model_trial_id: has} = row, %{model_trial_id: wants}) when has != nil do
    if Columns.text(has) == Columns.text(wants), do: {:ok, row}, else: part(db, row)
  end

  defp make_way(_db, row, _changes), do: {:ok, row}

  # A trial has one run: a second is a ghost to be looked at, never a silent replacement.
  defp refuse_second_run(%{mlflow_run_id: has} = row, %{mlflow_run_id: new})
       when has != nil and new != nil and has != new do
    message =
      "trial #{inspect(Columns.text(row.model_trial_id))} already has the run #{inspect(has)}: " <>
        "MLflow.Runs.unlink/2 parts it from that one, so that #{inspect(new)} can be linked"

    {:error, Error.new(:already_exists, "store", message)}
  end

  defp refuse_second_run(_row, _run), do: :ok

  @doc """
  What both agreed on, and where the run keeps its artifacts, goes with the link. The record of the run
  stays, and the points go with the trial. If it has got another run meanwhile, that one stays; and so
  does a claim.
  """
  @spec unlink_run(Database.t(), Trial.t(), String.t()) :: Store.ok()
  def unlink_run(db, trial, mlflow_run_id) do
    Database.transaction(db, fn ->
      with {:ok, _} <- Trials.hold_named(db, trial.id),
           {:ok, row} <- Runs.by_run_id(db, mlflow_run_id, lock: true),
           row = if(row && Columns.text(row.model_trial_id) == trial.id, do: row),
           {:ok, _} <- if(row, do: part(db, row), else: {:ok, nil}) do
        Trials.forget_run(db, trial.id, mlflow_run_id, row && row.artifact_uri)
      end
    end)
    |> case do
      {:ok, _} -> :ok
      error -> error
    end
  end

  defp part(db, row) do
    parted = %{
      model_trial_id: nil,
      base: nil,
      digest: nil,
      points_seq: nil,
      recorded_seq: 0,
      local_seq: 0,
      latest: %{},
      reported: %{},
      updated_at: DateTime.utc_now()
    }

    with {:ok, alone} <- Runs.change(db, row, parted),
         :ok <- take_along(db, row),
         do: {:ok, alone}
  end

  defp take_along(_db, %{recorded_seq: 0, reported: reported}) when reported == %{}, do: :ok

  defp take_along(db, row) do
    bare = Map.take(row, [:model_trial_id, :model_run_id | @bookkeeping])

    with {:ok, new} <- Database.insert(db, :runs, bare), do: Points.move(db, row.id, new.id)
  end
end
