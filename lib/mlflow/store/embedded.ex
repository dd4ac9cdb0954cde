defmodule MLflow.Store.Embedded do
  @moduledoc """
  The default store: one SQLite file (`database:`), opened in WAL mode and migrated in place.

  Writes survive the death of the process at any instant; the last moments before a power cut may
  be lost, the file stays whole. Several processes and several instances may share one file.
  """

  @behaviour MLflow.Store

  alias MLflow.{Config, Error, Instance, ModelRuns, ModelTrial, Native, RunRecord}
  alias MLflow.{Trackable, Trial, Trials, Value}
  alias MLflow.Store.{Lease, Row}
  alias MLflow.Trackable.Record

  # A million points that wait must not come at once, nor a whole experiment.
  @points_at_once 50_000
  @rows_at_once 250

  # What a pull may write. It does not where somebody else wrote there since the trial was read.
  @pulled_columns ~w(name status started_at completed_at artifact_uri parameters tags metrics)
  @pruned_at_once 500

  @history_columns [:action, :target, :result, :field]

  @impl true
  def open(%Config{database: path}), do: Native.store_open(path)

  @impl true
  def close(%Instance{store: store}), do: Native.store_close(store)

  @impl true
  # One that is just named, by a trial that is heard of before its search, is left as it is.
  def record_model_run(instance, %{run_id: run_id} = attrs) when map_size(attrs) == 1 do
    case ModelRuns.get(run_id, name: instance.name) do
      {:error, %Error{kind: :not_found}} ->
        put_model_run(instance, Map.put(attrs, :state, :running))

      answer ->
        id(answer)
    end
  end

  def record_model_run(instance, attrs), do: put_model_run(instance, attrs)

  defp put_model_run(instance, attrs), do: attrs |> ModelRuns.put(name: instance.name) |> id()

  @impl true
  def record_trial(instance, attrs) do
    {trial_id, attrs} = Map.pop(attrs, :trial_id, "")
    trial_id |> to_string() |> Trials.put(attrs, name: instance.name) |> id()
  end

  defp id({:ok, %{id: id}}), do: {:ok, id}
  defp id(error), do: error

  @impl true
  def trials_of_model_run(instance, model_run_id) do
    with {:ok, trials} <- Trials.list(where: %{model_run_id: model_run_id}, name: instance.name),
         do: {:ok, Enum.map(trials, &{&1.id, ModelTrial.ended?(&1.status)})}
  end

  @impl true
  def append_points(instance, trial_id, points),
    do: call_large(instance, {:append_points, trial_id, points})

  @impl true
  def trial_points(instance, trial_id, key),
    do: call(instance, {:point_history, trial_id, key})

  @impl true
  def run_points(instance, run_id, key), do: call(instance, {:run_point_history, run_id, key})

  @impl true
  def fetch_trial(instance, id) do
    with {:ok, row} <- fetch_trial_row(instance, id),
         do: {:ok, to_trial(row, instance.config)}
  end

  @impl true
  def load_for_sync(instance, id) do
    case call(instance, {:load_for_sync, id, @points_at_once}) do
      {:ok, nil} ->
        {:error, no_trial(id)}

      {:ok, {trial, record, points, seq, more?}} ->
        {:ok,
         %{
           trial: to_trial(trial, instance.config),
           record: Row.load(record, "mlflow_runs"),
           points: points,
           points_seq: seq,
           more?: more?
         }}

      error ->
        error
    end
  end

  @impl true
  def local_sides(instance, runs) do
    in_chunks(runs, [], fn chunk, sides ->
      asked = for {run_id, tag} <- chunk, do: %{run_id: run_id, trial_tag: tag}

      with {:ok, rows} <- call_large(instance, {:local_sides, asked}),
           do: {:ok, [Enum.map(rows, &to_side(&1, instance.config)) | sides]}
    end)
    |> case do
      {:ok, sides} -> {:ok, sides |> Enum.reverse() |> Enum.concat()}
      error -> error
    end
  end

  @impl true
  def trials_without_run(instance, experiment_ids) do
    Enum.reduce_while(experiment_ids, {:ok, []}, fn id, {:ok, trials} ->
      case call(instance, {:trials_without_run, id}) do
        {:ok, rows} -> {:cont, {:ok, trials ++ to_trials(rows, instance.config)}}
        error -> {:halt, error}
      end
    end)
  end

  @impl true
  def due_trials(instance, limit) do
    with {:ok, rows} <- call(instance, {:due_trials, limit}),
         do: {:ok, Enum.map(rows, & &1["id"])}
  end

  @impl true
  def update_trial(instance, trial, pull) do
    read = %{version: trial.version, columns: trial.read}
    call_large(instance, {:pull_into_trial, trial.id, read, changes(pull), pull.points})
  end

  @impl true
  def claim_run(instance, trial, experiment_id) do
    claim = %{
      model_trial_id: trial.id,
      mlflow_experiment_id: experiment_id,
      model_run_id: trial.model_run_id,
      lease: Lease.length(instance.config)
    }

    case call(instance, {:claim_run, claim}) do
      {:ok, {:busy, _row, until}} -> {:error, Lease.busy(trial.id, until)}
      {:ok, {:unknown, row, since}} -> {:ok, {{:unknown, since}, Row.load(row, "mlflow_runs")}}
      {:ok, {kind, row, _time}} -> {:ok, {kind, Row.load(row, "mlflow_runs")}}
      error -> error
    end
  end

  @impl true
  def release_claim(instance, %RunRecord{id: id}) do
    with {:ok, _} <- call(instance, {:release_run, id}), do: :ok
  end

  @impl true
  def abandon_claim(instance, %RunRecord{id: id}, since) do
    with {:ok, _} <- call(instance, {:abandon_run, id, since}), do: :ok
  end

  @impl true
  def put_run(instance, attrs) do
    with {:ok, row} <- Row.dump(attrs, "mlflow_runs"),
         {:ok, saved} <- call(instance, {:put_run, row}),
         do: {:ok, Row.load(saved, "mlflow_runs")}
  end

  @impl true
  def put_runs(instance, runs) do
    in_chunks(runs, 0, fn chunk, count ->
      with {:ok, rows} <- Row.dump_all(chunk, "mlflow_runs"),
           {:ok, put} <- call_large(instance, {:put_runs, rows}),
           do: {:ok, count + put}
    end)
  end

  @impl true
  def put_sync_error(instance, trial, error) do
    error = error |> Error.to_map() |> Map.put("version", trial.version)
    with {:ok, _} <- call(instance, {:put_sync_error, trial.id, error}), do: :ok
  end

  @impl true
  def fetch_run(instance, run_id), do: find(instance, "mlflow_runs", "mlflow_run_id", run_id)

  @impl true
  def fetch_run_by_trial(instance, trial_id),
    do: find(instance, "mlflow_runs", "model_trial_id", trial_id)

  @impl true
  def unlink_run(instance, %Trial{id: id}, run_id), do: call(instance, {:unlink_run, id, run_id})

  @impl true
  def run_ids_in_experiment(instance, experiment_id),
    do: call(instance, {:run_ids_in_experiment, experiment_id})

  @impl true
  def in_step(instance, runs), do: call_large(instance, {:in_step, runs})

  @impl true
  def put_experiment(instance, attrs) do
    with {:ok, row} <- Row.dump(attrs, "mlflow_experiments"),
         {:ok, saved} <-
           call(instance, {:upsert, "mlflow_experiments", "mlflow_experiment_id", row}),
         do: {:ok, Row.load(saved, "mlflow_experiments")}
  end

  @impl true
  def fetch_experiment(instance, id) do
    with {:ok, row} <- call(instance, {:find_experiment, id}),
         do: {:ok, Row.load(row, "mlflow_experiments")}
  end

  @impl true
  def put_run_points(instance, run_id, points),
    do: call_large(instance, {:append_run_points, run_id, points})

  @impl true
  def record_sync(instance, attempt, conflicts) do
    attempt =
      attempt
      |> Map.put(:instance, Atom.to_string(instance.name))
      |> Map.update(:error, nil, &(&1 && Error.to_map(&1)))

    with {:ok, _} <-
           call_large(instance, {:record_sync, attempt, Enum.map(conflicts, &conflict_row/1)}),
         do: :ok
  end

  defp conflict_row(conflict) do
    for {column, value} <-
          Map.take(conflict, ~w(mlflow_run_id field key local remote winner)),
        value != nil,
        into: %{},
        do: {column, Value.text(value)}
  end

  @impl true
  def sync_history(instance, filter),
    do: history(instance, :sync_history, "sync_attempts", filter)

  @impl true
  def conflicts(instance, filter), do: history(instance, :conflicts, "sync_conflicts", filter)

  defp history(instance, request, table, filter) do
    equals = for {column, value} <- filter, column in @history_columns, value, do: {column, value}

    filter = %{
      instance: Atom.to_string(instance.name),
      equals: Map.new(equals),
      trial: filter[:trial],
      run: filter[:run],
      since: filter[:since],
      limit: filter[:limit]
    }

    with {:ok, rows} <- call(instance, {request, filter}),
         do: {:ok, Enum.map(rows, &Row.load(&1, table))}
  end

  @impl true
  def prune_history(instance, before), do: prune_history(instance, before, 0)

  # In small bites: others want to write, too.
  defp prune_history(instance, before, pruned) do
    request = {:prune_history, Atom.to_string(instance.name), before, @pruned_at_once}

    case call(instance, request) do
      {:ok, @pruned_at_once} -> prune_history(instance, before, pruned + @pruned_at_once)
      {:ok, last} -> {:ok, pruned + last}
      error -> error
    end
  end

  # For the parts that work on the embedded store alone: `MLflow.Trials`, `MLflow.ModelRuns`,
  # `MLflow.Runs` and the embedded queue.

  @doc false
  def call(%Instance{config: %{store: __MODULE__}, store: store}, request),
    do: Native.store(store, request)

  def call(%Instance{config: config}, _request), do: {:error, other_store(config)}

  @doc false
  # For many rows or points at once.
  def call_large(%Instance{config: %{store: __MODULE__}, store: store}, request),
    do: Native.store_large(store, request)

  def call_large(%Instance{config: config}, _request), do: {:error, other_store(config)}

  defp other_store(config) do
    message =
      "this needs the embedded store, and the instance keeps its data in #{inspect(config.store)}"

    Error.new(:config, "store", message)
  end

  @doc false
  def fetch_trial_row(instance, id) do
    case call(instance, {:find_trial, id}) do
      {:ok, nil} -> {:error, no_trial(id)}
      answer -> answer
    end
  end

  @doc false
  def find(instance, table, column, value) do
    with {:ok, row} <- call(instance, {:get, table, column, value}),
         do: {:ok, Row.load(row, table)}
  end

  defp to_trials(rows, config), do: Enum.map(rows, &to_trial(&1, config))

  defp to_trial(row, config) do
    record = Row.load(row, "model_trials")
    trial = record |> Trackable.to_trial() |> Record.own_tags(record, config)
    %Trial{trial | version: row["updated_at"], read: Map.new(@pulled_columns, &{&1, row[&1]})}
  end

  defp to_side({record, trial, unsynced?}, config),
    do: {Row.load(record, "mlflow_runs"), trial && to_trial(trial, config), unsynced?}

  # Maps are merged into those of the trial, where a nil removes an entry.
  defp changes(pull) do
    written = %{
      "name" => pull.name,
      "status" => pull.status && Atom.to_string(Trial.from_run_status(pull.status)),
      "started_at" => pull.start_time,
      "completed_at" => pull.end_time,
      "artifact_uri" => pull.artifact_uri,
      "metrics" =>
        pull.metric_values |> Map.new(fn {k, v} -> {k, Row.spell(v)} end) |> unless_empty(),
      "parameters" => unless_empty(pull.params),
      "tags" => pull.deleted_tags |> Map.new(&{&1, nil}) |> Map.merge(pull.tags) |> unless_empty()
    }

    for {column, value} <- written, value != nil, into: %{}, do: {column, value}
  end

  defp unless_empty(map), do: if(map_size(map) > 0, do: map)

  # The store serves others between two chunks.
  defp in_chunks(items, start, fun) do
    items
    |> Enum.chunk_every(@rows_at_once)
    |> Enum.reduce_while({:ok, start}, fn chunk, {:ok, so_far} ->
      case fun.(chunk, so_far) do
        {:ok, _} = answer -> {:cont, answer}
        error -> {:halt, error}
      end
    end)
  end

  @doc false
  def no_trial(id) do
    Error.new(
      :not_found,
      "trial",
      "there is no trial #{inspect(id)} in the store; create it with MLflow.Trials.create/2 or check the id"
    )
  end
end
