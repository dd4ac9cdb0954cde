defmodule MLflow.Store.Host.Sides do
  @moduledoc false
  # This side of many runs at once, so that comparing a whole experiment does not cost queries per run.

  alias MLflow.{Error, Store, Trial}
  alias MLflow.Store.Host.{Columns, Database, Points, Trials, Version}

  # So many that a query's own cost does not count, so few that its answer stays small.
  @at_once 500

  @spec local_sides(Database.t(), [{String.t(), String.t() | nil}]) ::
          Store.result([{MLflow.RunRecord.t() | nil, Trial.t() | nil, boolean}])
  def local_sides(db, asked) do
    with {:ok, chunks} <-
           asked |> Enum.chunk_every(@at_once) |> Database.map(&sides(db, &1)),
         do: {:ok, Enum.concat(chunks)}
  end

  # Several runs may carry the tag of one trial.
  defp sides(db, asked) do
    ids = for {run_id, _tag} <- asked, do: run_id

    with {:ok, runs} <- rows(db, :runs, :mlflow_run_id, ids),
         runs = by(runs, & &1.mlflow_run_id),
         linked = for({_, %{model_trial_id: key}} when key != nil <- runs, do: Columns.text(key)),
         tags = for({run_id, tag} <- asked, tag != nil, trial_of(runs[run_id]) == nil, do: tag),
         {:ok, trials} <- trials_by_key(db, linked),
         {:ok, tagged} <- tagged(db, tags) do
      {:ok, Enum.map(asked, &side(db, &1, runs, trials, tagged))}
    end
  end

  defp side(db, {run_id, tag}, runs, trials, tagged) do
    run = runs[run_id]

    case {trial_of(run), run} do
      {nil, _} -> tagged_side(db, run, tagged_trial(tagged, tag, run_id))
      {key, _} -> linked_side(db, run, trials[key])
    end
  end

  defp linked_side(_db, run, nil), do: {Columns.run(run), nil, false}

  defp linked_side(db, run, record) do
    trial = Trials.to_trial_of_list(db, record, run)
    {Columns.run(run), %Trial{trial | points: []}, unsynced?(run, trial)}
  end

  # Of a trial that a tag names, all points are unsent: there is no watermark.
  defp tagged_side(_db, run, nil), do: {Columns.run(run), nil, false}

  defp tagged_side(db, run, {record, own_run}) do
    trial = Trials.to_trial_of_list(db, record, own_run)
    {Columns.run(run), %Trial{trial | points: []}, unsynced?(own_run, trial)}
  end

  # One that could not be read fails when it is loaded, for which it must look unsynced.
  defp unsynced?(run, trial),
    do: trial.read == nil or Points.unsent?(run) or Points.news?(run, trial)

  defp trial_of(nil), do: nil
  defp trial_of(run), do: Columns.text(run.model_trial_id)

  # The trials that tags name, with what is known of their own runs.
  defp tagged(db, tags) do
    %{trial_id: trial_id} = Database.trial_fields(db)

    with {:ok, by_key} <- trials_by_key(db, tags),
         {:ok, named} <- rows(db, :trials, trial_id, tags),
         by_name = by(named, &Columns.text(Map.fetch!(&1, trial_id))),
         keys = Enum.map(Map.values(by_key) ++ named, &Trials.key(db, &1)),
         {:ok, runs} <- rows(db, :runs, :model_trial_id, keys) do
      runs = by(runs, &Columns.text(&1.model_trial_id))

      {:ok,
       Map.new(Map.merge(by_name, by_key), fn {name, record} ->
         {name, {record, runs[Trials.key(db, record)]}}
       end)}
    end
  end

  defp tagged_trial(tagged, tag, run_id) do
    case tagged[tag] do
      {_record, %{mlflow_run_id: other}} when other != nil and other != run_id -> nil
      found -> found
    end
  end

  defp trials_by_key(db, keys) do
    with {:ok, records} <- rows(db, :trials, Database.trial_fields(db).key, keys),
         do: {:ok, by(records, &Trials.key(db, &1))}
  end

  defp rows(db, table, column, values, opts \\ [])
  defp rows(_db, _table, nil, _values, _opts), do: {:ok, []}

  defp rows(db, table, column, values, opts) do
    values = Enum.map(values, &Columns.clean/1)

    case Database.castable(db, table, column, Enum.uniq(values)) do
      [] -> {:ok, []}
      values -> Database.all(db, table, [{column, {:in, values}}], opts)
    end
  end

  defp by(rows, key), do: Map.new(rows, &{key.(&1), &1})

  @seen_columns [
    :mlflow_run_id,
    :model_trial_id,
    :digest,
    :sync_error,
    :synced_at,
    :points_seq,
    :local_seq
  ]

  @doc """
  The ids of those runs that are as they were when they were recorded, and so is their trial. A run
  without a trial stays one only while there is none that its tag names.
  """
  @spec in_step(Database.t(), [{String.t(), String.t() | nil, integer}]) ::
          {:ok, [String.t()]} | {:error, Error.t()}
  def in_step(db, seen) do
    with {:ok, chunks} <-
           seen |> Enum.chunk_every(@at_once) |> Database.map(&in_step_of_chunk(db, &1)),
         do: {:ok, Enum.concat(chunks)}
  end

  defp in_step_of_chunk(db, seen) do
    ids = for {run_id, _tag, _digest} <- seen, do: run_id

    with {:ok, runs} <- rows(db, :runs, :mlflow_run_id, ids, select: @seen_columns) do
      runs = by(runs, & &1.mlflow_run_id)

      recorded =
        for {run_id, tag, digest} <- seen,
            run = runs[run_id],
            run.digest == digest and run.sync_error == nil and not Points.unsent?(run),
            do: {run, tag}

      {linked, alone} = Enum.split_with(recorded, fn {run, _tag} -> trial_of(run) != nil end)

      with {:ok, linked} <- unchanged(db, linked), {:ok, alone} <- still_alone(db, alone) do
        {:ok, for({run, _tag} <- linked ++ alone, do: run.mlflow_run_id)}
      end
    end
  end

  defp unchanged(db, linked) do
    %{key: key, updated_at: updated_at} = Database.trial_fields(db)
    keys = for {run, _tag} <- linked, do: trial_of(run)
    columns = Enum.reject([key, updated_at], &is_nil/1)

    with {:ok, records} <- rows(db, :trials, key, keys, select: columns) do
      trials = by(records, &Trials.key(db, &1))
      {:ok, Enum.reject(linked, fn {run, _} -> changed?(trials[trial_of(run)], run) end)}
    end
  end

  # A trial that was deleted does not change any more.
  defp changed?(nil, _run), do: false
  defp changed?(record, run), do: Version.since?(record, run.synced_at)

  defp still_alone(db, alone) do
    %{key: key, trial_id: trial_id} = Database.trial_fields(db)
    tags = for {_run, tag} <- alone, tag != nil, do: tag

    with {:ok, by_key} <- rows(db, :trials, key, tags, select: [key]),
         {:ok, by_name} <- rows(db, :trials, trial_id, tags, select: [key, trial_id]) do
      names = MapSet.new(by_name, &Columns.text(Map.fetch!(&1, trial_id)))
      taken = Enum.into(by_key, names, &Trials.key(db, &1))
      {:ok, Enum.reject(alone, fn {_run, tag} -> MapSet.member?(taken, tag) end)}
    end
  end
end
