defmodule MLflow.Store.Host.History do
  @moduledoc false
  # What was synchronised when, how it ended, and what was in conflict.

  alias MLflow.{Conflict, Error, Store, SyncAttempt, Value}
  alias MLflow.Store.Host.{Columns, Database, Runs, Trials}

  # In small bites: others want to write, too.
  @pruned_at_once 500

  @names [:action, :direction, :result]
  @given ~w(target mlflow_run_id mlflow_experiment_id pushed pulled requests writes counts
            duration_ms)a
  @of_conflict ~w(mlflow_run_id field key local remote winner)a
  @equals [:action, :target, :result, :field]

  @doc """
  Where only the run or only the trial is known, the other is the one it is linked to. A conflict without
  a run is of the attempt's run.
  """
  @spec record(Database.t(), Store.attempt(), [map]) :: Store.ok()
  def record(db, attempt, conflicts) do
    with {:ok, trial} <- trial_of_attempt(db, attempt),
         {:ok, run} <- run_of_attempt(db, attempt, trial),
         row = attempt_row(db, attempt, trial, run, length(conflicts)),
         {:ok, rows} <- Database.map(conflicts, &conflict_row(db, &1, row)),
         {:ok, _} <- Database.transaction(db, fn -> insert(db, row, rows) end),
         do: :ok
  end

  defp insert(db, row, conflicts) do
    with {:ok, %{id: id}} <- Database.insert(db, :attempts, row),
         do:
           Database.insert_all(db, :conflicts, Enum.map(conflicts, &Map.put(&1, :attempt_id, id)))
  end

  defp trial_of_attempt(db, %{model_trial_id: id}) when id != nil do
    with {:ok, record} <- Trials.find(db, id), do: {:ok, record && Trials.key(db, record)}
  end

  defp trial_of_attempt(db, attempt), do: trial_of_run(db, attempt[:mlflow_run_id])

  defp trial_of_run(_db, nil), do: {:ok, nil}

  defp trial_of_run(db, run_id) do
    with {:ok, row} <- Runs.by_run_id(db, run_id),
         do: {:ok, row && Columns.text(row.model_trial_id)}
  end

  defp run_of_attempt(_db, %{mlflow_run_id: id}, _trial) when id != nil, do: {:ok, id}
  defp run_of_attempt(_db, _attempt, nil), do: {:ok, nil}

  defp run_of_attempt(db, _attempt, trial) do
    with {:ok, row} <- Runs.by_trial(db, trial), do: {:ok, row && row.mlflow_run_id}
  end

  defp attempt_row(db, attempt, trial, run, conflicts) do
    names = Map.new(@names, &{&1, Columns.name(attempt[&1])})

    given =
      for {key, value} <- Map.take(attempt, @given), value != nil, into: %{}, do: {key, value}

    given
    |> Columns.clean()
    |> Map.merge(names)
    |> Map.merge(%{
      instance: Atom.to_string(db.name),
      model_trial_id: trial,
      mlflow_run_id: run && Columns.clean(run),
      conflicts: conflicts,
      error: attempt[:error] && Columns.clean(Error.to_map(attempt.error)),
      started_at: Columns.time(attempt.started_at)
    })
  end

  defp conflict_row(db, conflict, attempt) do
    told =
      for column <- @of_conflict,
          value = conflict[Atom.to_string(column)],
          value != nil,
          into: %{},
          do: {column, value |> Value.text() |> Columns.clean()}

    with {:ok, trial} <- trial_of_conflict(db, told, attempt) do
      of_attempt = Map.take(attempt, [:instance, :mlflow_run_id])

      {:ok,
       of_attempt
       |> Map.merge(told)
       |> Map.merge(%{model_trial_id: trial, at: attempt.started_at})}
    end
  end

  defp trial_of_conflict(_db, %{mlflow_run_id: run}, %{mlflow_run_id: run} = attempt)
       when attempt.model_trial_id != nil,
       do: {:ok, attempt.model_trial_id}

  defp trial_of_conflict(db, %{mlflow_run_id: run}, _attempt), do: trial_of_run(db, run)
  defp trial_of_conflict(_db, _conflict, attempt), do: {:ok, attempt.model_trial_id}

  # An attempt at what is gone, or never was, is still found by the name it was given.
  @spec attempts(Database.t(), Store.filter()) :: Store.result([SyncAttempt.t()])
  def attempts(db, filter) do
    with {:ok, rows} <- list(db, :attempts, :started_at, [:target], filter),
         do: {:ok, Enum.map(rows, &Columns.attempt/1)}
  end

  @spec conflicts(Database.t(), Store.filter()) :: Store.result([Conflict.t()])
  def conflicts(db, filter) do
    with {:ok, rows} <- list(db, :conflicts, :at, [], filter),
         do: {:ok, Enum.map(rows, &Columns.conflict/1)}
  end

  defp list(db, table, time, named_by, filter) do
    equals = for {column, value} <- filter, column in @equals, value != nil, do: {column, value}
    since = if filter[:since], do: [{time, {:gte, Columns.time(filter.since)}}], else: []
    filters = [instance: Atom.to_string(db.name)] ++ equals ++ since
    opts = [order_by: [desc: time, desc: :id], limit: filter[:limit]]

    with {:ok, trials} <- about_trial(db, filter[:trial], named_by),
         runs = about(:mlflow_run_id, filter[:run], filter[:run], named_by),
         alternatives = for(trial <- trials, run <- runs, do: filters ++ trial ++ run),
         {:ok, lists} <- Database.map(alternatives, &Database.all(db, table, &1, opts)) do
      {:ok, newest(Enum.concat(lists), time, filter[:limit])}
    end
  end

  defp about_trial(_db, nil, _named_by), do: {:ok, [[]]}

  defp about_trial(db, trial, named_by) do
    with {:ok, record} <- Trials.find(db, trial) do
      id = if record, do: Trials.key(db, record), else: trial
      {:ok, about(:model_trial_id, id, trial, named_by)}
    end
  end

  # Filters of which one must hold.
  defp about(_column, nil, _given, _named_by), do: [[]]

  defp about(column, id, given, named_by),
    do: [[{column, Columns.clean(id)}] | Enum.map(named_by, &[{&1, Columns.clean(given)}])]

  defp newest(rows, time, limit) do
    rows =
      rows
      |> Enum.uniq_by(& &1.id)
      |> Enum.sort_by(&{DateTime.to_unix(Map.fetch!(&1, time), :microsecond), &1.id}, :desc)

    if limit, do: Enum.take(rows, limit), else: rows
  end

  @doc """
  In small bites. What a deleted trial left behind that never had a run goes with it: nothing leads there
  any more.
  """
  @spec prune(Database.t(), integer) :: Store.result(non_neg_integer)
  def prune(db, before) do
    with {:ok, pruned} <- prune(db, before, 0),
         {:ok, _} <- Database.delete_all(db, :runs, mlflow_run_id: nil, model_trial_id: nil),
         do: {:ok, pruned}
  end

  defp prune(db, before, pruned) do
    filter = [
      instance: Atom.to_string(db.name),
      started_at: {:lt, Columns.time(before)}
    ]

    opts = [order_by: [asc: :started_at, asc: :id], limit: @pruned_at_once, select: [:id]]

    with {:ok, rows} <- Database.all(db, :attempts, filter, opts),
         ids = Enum.map(rows, & &1.id),
         {:ok, _} <- delete(db, ids) do
      pruned = pruned + length(ids)
      if length(ids) == @pruned_at_once, do: prune(db, before, pruned), else: {:ok, pruned}
    end
  end

  defp delete(_db, []), do: {:ok, 0}

  defp delete(db, ids) do
    Database.transaction(db, fn ->
      with {:ok, _} <- Database.delete_all(db, :conflicts, attempt_id: {:in, ids}),
           do: Database.delete_all(db, :attempts, id: {:in, ids})
    end)
  end
end
