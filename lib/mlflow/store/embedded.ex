defmodule MLflow.Store.Embedded do
  @moduledoc """
  The default store: one SQLite file (`database:`), opened in WAL mode and migrated in place.

  Writes survive the death of the process at any instant; the last moments before a power cut may
  be lost, the file stays whole. Several processes and several instances may share one file.
  """

  @behaviour MLflow.Store

  alias MLflow.{Config, Error, Instance, Metric, Native, RunRecord, Trackable, Trial, Value}
  alias MLflow.Store.Row

  # A claim outlives the search and the creation it is taken for, so that a live one is never taken
  # over.
  @claim_grace 5_000

  # The other worker is mostly done long before its claim runs out.
  @look_again 5_000

  @impl true
  def open(%Config{database: path}), do: Native.store_open(path)

  @impl true
  def close(%Instance{store: store}), do: Native.store_close(store)

  @impl true
  def fetch_trial(instance, id) do
    with {:ok, row} <- fetch_trial_row(instance, id),
         do: {:ok, to_trial(row, instance.config)}
  end

  @impl true
  def load_points(instance, trial, watermark),
    do: call(instance, {:points_after, trial.id, watermark})

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
    with {:ok, row} <- fetch_trial_row(instance, trial.id),
         changes = changes(row, pull),
         {:ok, _} <- call(instance, {:update_trial, trial.id, changes, []}),
         {:ok, _} <- call(instance, {:append_remote_points, trial.id, pull.points}) do
      :ok
    end
  end

  @impl true
  def claim_run(instance, trial, experiment_id) do
    claim = %{
      model_trial_id: trial.id,
      mlflow_experiment_id: experiment_id,
      model_run_id: trial.model_run_id,
      lease: 2 * instance.config.total_timeout + @claim_grace
    }

    case call(instance, {:claim_run, claim}) do
      {:ok, {:busy, _row, until}} -> {:error, busy(trial, until)}
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
         :ok <- link_trial(instance, saved) do
      {:ok, Row.load(saved, "mlflow_runs")}
    end
  end

  @impl true
  def put_sync_error(instance, trial, error) do
    error = error |> Error.to_map() |> Map.put("version", trial.version)
    with {:ok, _} <- call(instance, {:put_sync_error, trial.id, error}), do: :ok
  end

  @impl true
  def fetch_run_by_trial(instance, trial_id),
    do: find(instance, "mlflow_runs", "model_trial_id", trial_id)

  @impl true
  def fetch_run(instance, run_id), do: find(instance, "mlflow_runs", "mlflow_run_id", run_id)

  @impl true
  def runs_in_experiment(instance, experiment_id) do
    with {:ok, rows} <- call(instance, {:runs_in_experiment, experiment_id}),
         do: {:ok, Enum.map(rows, &Row.load(&1, "mlflow_runs"))}
  end

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

  # For the parts that work on the embedded store alone: `MLflow.Trials`, `MLflow.ModelRuns`,
  # `MLflow.Runs` and the embedded queue.

  @doc false
  def call(%Instance{config: %{store: __MODULE__}, store: store}, request),
    do: Native.store(store, request)

  def call(%Instance{config: config}, _request) do
    message =
      "this needs the embedded store, and the instance keeps its data in #{inspect(config.store)}"

    {:error, Error.new(:config, "store", message)}
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

  # The tags that lead from a run back to its trial are this library's, and no record's own.
  defp to_trial(row, config) do
    record = Row.load(row, "model_trials")
    trial = Trackable.to_trial(record)
    spectral_norm = if record.spectral_norm != nil, do: Value.text(record.spectral_norm)

    ours =
      for {key, value} <- [
            {Config.trial_tag(config), record.trial_id},
            {Config.model_run_tag(config), record.model_run_id},
            {"spectral_norm", spectral_norm}
          ],
          value != nil,
          into: %{},
          do: {key, value}

    %Trial{trial | tags: Map.merge(trial.tags, ours), version: row["updated_at"]}
  end

  defp changes(row, pull) do
    written = %{
      "name" => pull.name,
      "status" => pull.status && Atom.to_string(Trial.from_run_status(pull.status)),
      "completed_at" => pull.end_time,
      "parameters" => changed_map(row["parameters"], pull.params, []),
      "tags" => changed_map(row["tags"], pull.tags, pull.deleted_tags),
      "metrics" => changed_map(row["metrics"], latest(pull.points), [])
    }

    for {column, value} <- written, value != nil, into: %{}, do: {column, value}
  end

  defp changed_map(_current, added, []) when map_size(added) == 0, do: nil

  defp changed_map(current, added, deleted),
    do: (current || %{}) |> Map.drop(deleted) |> Map.merge(added)

  defp latest(points), do: Map.new(points, fn {key, value, _step, _timestamp} -> {key, value} end)

  defp link_trial(_instance, %{"model_trial_id" => trial, "mlflow_run_id" => run})
       when trial == nil or run == nil,
       do: :ok

  defp link_trial(instance, row) do
    request = {:link_trial, row["model_trial_id"], row["mlflow_run_id"], row["artifact_uri"]}
    call(instance, request)
  end

  defp busy(trial, until) do
    Error.new(
      :conflict,
      "claim",
      "another worker is creating the run of trial #{trial.id}",
      retryable: true,
      retry_after: (until - Metric.now()) |> max(1_000) |> min(@look_again)
    )
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
