defmodule MLflow.Store.Host.Trials do
  @moduledoc false
  # The host's trials: found, read as MLflow has them, and written where a sync changed them.

  alias MLflow.{Error, Metric, Run, Store, Trackable, Trial}
  alias MLflow.Store.Host.{Columns, Database, Points, Runs, Version}
  alias MLflow.Trackable.{Changes, Fields, Record}

  # A million points that wait must not come at once.
  @points_at_once 50_000

  # -- finding and reading

  @spec fetch_trial(Database.t(), String.t()) :: Store.result(Trial.t())
  def fetch_trial(db, id) do
    with {:ok, record} <- fetch(db, id),
         {:ok, run} <- Runs.by_trial(db, key(db, record)),
         do: to_trial(db, record, run)
  end

  @spec load_for_sync(Database.t(), String.t()) :: Store.result(Store.side())
  def load_for_sync(db, id) do
    with {:ok, record} <- fetch(db, id),
         {:ok, run} <- Runs.by_trial(db, key(db, record)),
         {:ok, trial} <- to_trial(db, record, run),
         {:ok, run} <- Points.report(db, run, trial, &reread(db, trial.id, &1)),
         {:ok, {points, seq, more?}} <- Points.unsent(db, run, @points_at_once) do
      {:ok,
       %{
         trial: %Trial{trial | points: []},
         record: Columns.run(run),
         points: points,
         points_seq: seq,
         more?: more?
       }}
    end
  end

  defp reread(db, key, run) do
    case by_key(db, key) do
      {:ok, nil} -> {:error, no_trial(key)}
      {:ok, record} -> to_trial(db, record, run)
      error -> error
    end
  end

  @doc "The host's record, by its key or its own trial id."
  @spec fetch(Database.t(), String.t()) :: {:ok, struct} | {:error, Error.t()}
  def fetch(db, id) do
    with {:ok, nil} <- find(db, id), do: {:error, no_trial(id)}
  end

  @spec find(Database.t(), String.t()) :: {:ok, struct | nil} | {:error, Error.t()}
  def find(db, id) do
    id = Columns.clean(id)
    fields = Database.trial_fields(db)

    with {:ok, nil} <- by(db, fields.key, id), do: by(db, fields.trial_id, id)
  end

  defp by(_db, nil, _id), do: {:ok, nil}

  defp by(db, field, id) do
    case Database.castable(db, :trials, field, [id]) do
      [id] -> Database.one(db, :trials, [{field, id}])
      [] -> {:ok, nil}
    end
  end

  defp by_key(db, key, opts \\ []),
    do: Database.one(db, :trials, [{Database.trial_fields(db).key, key}], opts)

  defp no_trial(id) do
    message = "there is no trial #{inspect(id)} in the host's tables: check the id"
    Error.new(:not_found, "trial", message)
  end

  @doc "The key of a host's record, as text."
  @spec key(Database.t(), struct) :: String.t()
  def key(db, record), do: record |> Map.fetch!(Database.trial_fields(db).key) |> Columns.text()

  @doc """
  The record as a trial, together with what its run's row knows. What came from the server and has no
  place in the host's record is taken from there, so that it does not look as if it was deleted here.
  """
  @spec to_trial(Database.t(), struct, map | nil) :: {:ok, Trial.t()} | {:error, Error.t()}
  def to_trial(db, record, run) do
    trial = Trackable.to_trial(record)
    %{writable: writable} = Database.trial_fields(db)

    trial = %Trial{
      trial
      | id: key(db, record),
        version: Version.of(record),
        read: %{written_at: Version.written_at(record), columns: Map.take(record, writable)}
    }

    {:ok,
     trial
     |> stand_in(record, Columns.run(run), writable)
     |> Record.own_tags(record, db.config)}
  rescue
    # A status that nobody named, a record that is no trial, or whatever a host's own implementation
    # makes of one that it did not expect. The others go on.
    mistake ->
      message = "#{key(db, record)}: #{Exception.message(mistake)}"
      {:error, Error.new(:invalid, "trial", message)}
  end

  defp stand_in(trial, _record, nil, _writable), do: trial
  defp stand_in(trial, _record, %{mlflow_run_id: nil}, _writable), do: trial

  # Of the tags that a pull may not write, none that is missing was deleted.
  defp stand_in(trial, record, run, writable) do
    fields = Fields.of(record)
    missing? = &(not is_map_key(record, &1))

    [
      {missing?.(fields.name) && run.run_name, &%{&1 | name: run.run_name}},
      {fields.tags not in writable && run.tags, &%{&1 | tags: Map.merge(run.tags, &1.tags)}},
      {missing?.(fields.artifact_uri) && run.artifact_uri,
       &%{&1 | artifact_uri: run.artifact_uri}},
      {missing?.(fields.completed_at) && ended?(trial, run), &%{&1 | end_time: run.end_time}}
    ]
    |> Enum.reduce(trial, fn {known, take}, trial -> if known, do: take.(trial), else: trial end)
  end

  defp ended?(trial, run), do: run.end_time && Run.terminal?(trial.status)

  @doc """
  The same for lists. A record that cannot be read is named, and fails by itself when it is loaded.
  """
  @spec to_trial_of_list(Database.t(), struct, map | nil) :: Trial.t()
  def to_trial_of_list(db, record, run) do
    case to_trial(db, record, run) do
      {:ok, trial} -> trial
      {:error, _} -> %Trial{id: key(db, record)}
    end
  end

  # -- points

  @spec append_points(Database.t(), String.t(), [Metric.point()]) ::
          Store.result(non_neg_integer)
  def append_points(db, id, points) do
    with {:ok, record} <- fetch(db, id), do: Points.append(db, key(db, record), points, false)
  end

  @spec trial_points(Database.t(), String.t(), String.t() | nil) :: Store.result([Metric.point()])
  def trial_points(db, id, key) do
    with {:ok, record} <- fetch(db, id),
         {:ok, run} <- Runs.by_trial(db, key(db, record)),
         do: Points.history(db, run, key)
  end

  # -- lists

  @spec trials_without_run(Database.t(), [String.t() | nil]) :: Store.result([Trial.t()])
  def trials_without_run(db, experiment_ids) do
    with {:ok, lists} <-
           Database.map(experiment_ids, &db.tables.trials_without_run(db.handle, &1)) do
      {:ok, lists |> Enum.concat() |> Enum.map(&to_trial_of_list(db, &1, nil))}
    end
  end

  @spec due_trials(Database.t(), pos_integer) :: Store.result([String.t()])
  def due_trials(db, limit) do
    with {:ok, records} <- db.tables.due_trials(db.handle, limit),
         do: {:ok, Enum.map(records, &key(db, &1))}
  end

  # -- writing

  @doc "What a pull found is written, unless the very columns were changed since the trial was read."
  @spec update_trial(Database.t(), Trial.t(), Store.pull()) ::
          Store.result({non_neg_integer, integer | nil})
  def update_trial(db, trial, pull) do
    Database.transaction(db, fn ->
      with {:ok, current} <- hold(db, trial.id),
           changes = changes(db, current, pull),
           :ok <- as_read(trial, current, changes),
           {:ok, new_points} <- Points.append(db, trial.id, pull.points, true),
           {:ok, written} <- write(db, current, changes, :pull),
           {:ok, _} <- note_told(db, written, changes, pull.metric_values) do
        as_read? = Version.written_at(current) == trial.read.written_at
        {:ok, {new_points, if(as_read?, do: Version.of(written), else: trial.version)}}
      end
    end)
  end

  # What the record tells because a pull wrote it is no news, and no point after those that were recorded
  # here meanwhile.
  defp note_told(_db, _record, changes, values) when changes == %{} or values == %{},
    do: {:ok, nil}

  defp note_told(db, record, _changes, values) do
    with {:ok, trial} <- to_trial(db, record, nil),
         do: Points.note_told(db, trial, Map.keys(values))
  end

  defp hold(db, key) do
    with {:ok, nil} <- by_key(db, key, lock: true), do: {:error, no_trial(key)}
  end

  @doc "The host's record, which nobody else changes until the transaction ends; `nil` where there is none."
  @spec hold_named(Database.t(), String.t() | nil) :: {:ok, struct | nil} | {:error, Error.t()}
  def hold_named(_db, nil), do: {:ok, nil}
  def hold_named(db, key), do: by_key(db, key, lock: true)

  defp changes(db, record, pull) do
    pull = Columns.clean(%{pull | points: []})
    %{writable: writable} = Database.trial_fields(db)
    Changes.of(record, pull, writable, &accepts?(db, &1, &2))
  end

  # A status may be a text there.
  defp accepts?(db, field, name) when is_atom(name), do: accepts?(db, field, "#{name}")

  defp accepts?(db, field, value),
    do: match?({:ok, _}, db.tables.cast(db.handle, :trials, field, value))

  # What somebody else wrote there would be lost, and nobody would know.
  defp as_read(trial, current, changes) do
    fields = Map.keys(changes)

    if Map.take(current, fields) == Map.take(trial.read.columns, fields) do
      :ok
    else
      message =
        "trial #{inspect(trial.id)} was changed while it was compared with its run: the next " <>
          "sync merges both"

      {:error, Error.new(:conflict, "store", message, retryable: true)}
    end
  end

  defp write(_db, record, changes, _why) when changes == %{}, do: {:ok, record}

  defp write(db, record, changes, why),
    do: db.tables.update_trial(db.handle, record, changes, why)

  @doc """
  Notes in the trial of a run's row which run it has become. Nothing in the trial is new by that: if it
  was in step until now (`synced_at`), it stays so, though the host may count the note as a change.
  """
  @spec note_run(Database.t(), map, struct | nil, DateTime.t() | nil) ::
          {:ok, map} | {:error, Error.t()}
  def note_run(_db, %{model_trial_id: key, mlflow_run_id: run} = row, _record, _synced_at)
      when key == nil or run == nil,
      do: {:ok, row}

  def note_run(db, row, held, synced_at) do
    with {:ok, record} when record != nil <- held_or_read(db, held, row),
         note = note(db, record, row),
         {:ok, written} <- write(db, record, note, :link),
         changes when changes != %{} <- still_in_step(record, written, synced_at) do
      Runs.change(db, row, changes)
    else
      {:error, error} -> {:error, error}
      _nothing_more -> {:ok, row}
    end
  end

  defp held_or_read(db, nil, row), do: by_key(db, Columns.text(row.model_trial_id))
  defp held_or_read(_db, held, _row), do: {:ok, held}

  defp note(db, record, row) do
    %{all: all} = Database.trial_fields(db)
    fields = Fields.of(record)

    for {field, value, write?} <- [
          {fields.mlflow_run_id, row.mlflow_run_id, &(&1 != row.mlflow_run_id)},
          {fields.artifact_uri, row.artifact_uri, &(&1 == nil)}
        ],
        field in all and value != nil and write?.(Record.get(record, field)),
        into: %{},
        do: {field, value}
  end

  defp still_in_step(_record, _written, nil), do: %{}

  defp still_in_step(record, written, synced_at) do
    moved? = Version.written_at(record) != Version.written_at(written)

    if moved? and Version.as_read?(record, DateTime.to_unix(synced_at, :millisecond)),
      do: %{synced_at: Version.own(written)},
      else: %{}
  end

  @doc "The trial forgets a run that it names, and the place of that run's artifacts."
  @spec forget_run(Database.t(), String.t(), String.t(), String.t() | nil) ::
          {:ok, term} | {:error, Error.t()}
  def forget_run(db, key, mlflow_run_id, artifact_uri) do
    with {:ok, record} when record != nil <- by_key(db, key) do
      fields = Fields.of(record)
      names? = Record.get(record, fields.mlflow_run_id) == mlflow_run_id
      keeps? = artifact_uri != nil and Record.get(record, fields.artifact_uri) == artifact_uri

      changes =
        if names?,
          do:
            Map.new(
              [fields.mlflow_run_id] ++ if(keeps?, do: [fields.artifact_uri], else: []),
              &{&1, nil}
            ),
          else: %{}

      write(db, record, changes, :link)
    end
  end
end
