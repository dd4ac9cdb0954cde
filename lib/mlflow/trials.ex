defmodule MLflow.Trials do
  @moduledoc """
  Trials in the embedded store: create, update, read, and log metrics to them.

  Nothing here waits for the network. Queue a sync with `MLflow.SyncWorker.sync_trial_to_mlflow/2`,
  or let the sync interval find what changed.

      {:ok, trial} = MLflow.Trials.create(%{trial_id: "t1", status: :running, parameters: %{lr: 0.1}})
      :ok = MLflow.Trials.log_metrics("t1", %{loss: 0.7}, step: 1)
      {:ok, trial} = MLflow.Trials.update("t1", %{status: :succeeded, metrics: %{accuracy: 0.93}})

  Both shapes of trials are taken, see `MLflow.ModelTrial`. Every function takes `name:` for the
  instance. A trial is found by its `id` or its `trial_id`.

  The numbers in `metrics` (nested maps become dotted keys), `final_accuracy`, `final_loss` and
  `best_metric_value` are also recorded as points of the trial's history, with the time at which
  they were recorded; one that repeats the latest logged point of its key adds none.

  Where the trials are records of the application's own (`MLflow.Store.Ecto`, `MLflow.Store.Ash`), it
  creates, changes and lists them itself; `log_metrics/3` and `history/3` are for those, too.
  """

  alias MLflow.{Error, Instance, Metric, ModelTrial, Trial}
  alias MLflow.Store.{Embedded, Row}

  @table "model_trials"
  @maps ~w(metrics parameters hyperparameters tags)a

  @type result(value) :: {:ok, value} | {:error, Error.t()}

  @doc """
  Creates a trial; `trial_id` is required and unique.

  Attributes: the fields of `MLflow.ModelTrial`. A status that is none, an unknown column or a
  `trial_id` that is taken is an error and nothing is written.
  """
  @spec create(map | keyword, keyword) :: result(ModelTrial.t())
  def create(attrs, opts \\ []) do
    with {:ok, instance} <- Instance.fetch(opts),
         {:ok, row} <- to_row(attrs),
         :ok <- require_trial_id(row),
         row = note_end(row, %{}),
         {:ok, saved} <- Embedded.call(instance, {:create_trial, row, final_points(row)}) do
      {:ok, Row.load(saved, @table)}
    end
  end

  @doc "Changes a trial's attributes, and records the metrics among them that are new."
  @spec update(String.t(), map | keyword, keyword) :: result(ModelTrial.t())
  def update(id, attrs, opts \\ []) do
    with {:ok, instance} <- Instance.fetch(opts),
         {:ok, row} <- to_row(attrs),
         {:ok, current} <- Embedded.fetch_trial_row(instance, id),
         row = note_end(row, current),
         {:ok, saved} <- Embedded.call(instance, {:update_trial, id, row, final_points(row)}) do
      {:ok, Row.load(saved, @table)}
    end
  end

  @doc """
  Changes the trial with this `trial_id`, or creates it, whichever of two callers at once is first.
  """
  @spec put(String.t(), map | keyword, keyword) :: result(ModelTrial.t())
  def put(trial_id, attrs, opts \\ []) do
    case update(trial_id, attrs, opts) do
      {:error, %Error{kind: :not_found}} -> create_or_update(trial_id, attrs, opts)
      answer -> answer
    end
  end

  defp create_or_update(trial_id, attrs, opts) do
    case attrs |> Map.new() |> Map.put(:trial_id, trial_id) |> create(opts) do
      {:error, %Error{kind: :already_exists}} -> update(trial_id, attrs, opts)
      answer -> answer
    end
  end

  @doc """
  Appends points to a trial's history. Options: `step:` (0), `timestamp:` (ms; now).

  See `MLflow.Metric.points/2` for the shapes. A point that was recorded before, to the last
  figure of its timestamp, is not recorded twice.
  """
  @spec log_metrics(String.t(), map | list, keyword) :: :ok | {:error, Error.t()}
  def log_metrics(id, metrics, opts \\ []) do
    with {:ok, %{config: %{store: store}} = instance} <- Instance.fetch(opts),
         {:ok, points} <- Metric.points(metrics, opts),
         {:ok, _recorded} <- store.append_points(instance, id, points) do
      :ok
    end
  end

  @doc "A trial by `id` or `trial_id`."
  @spec get(String.t(), keyword) :: result(ModelTrial.t())
  def get(id, opts \\ []) do
    with {:ok, instance} <- Instance.fetch(opts),
         {:ok, row} <- Embedded.fetch_trial_row(instance, id) do
      {:ok, Row.load(row, @table)}
    end
  end

  @doc """
  Trials, oldest first. Options: `where:` (a map of columns, such as `%{status: :failed}`),
  `limit:`, `offset:`, `newest_first: true`.
  """
  @spec list(keyword) :: result([ModelTrial.t()])
  def list(opts \\ []), do: MLflow.Store.Listing.list(@table, opts)

  @doc "The points recorded for a trial, of one metric or of all, by key, step and time."
  @spec history(String.t(), atom | String.t() | nil, keyword) :: result([Metric.t()])
  def history(id, key \\ nil, opts \\ []) do
    key = if key, do: MLflow.Value.key(key)

    with {:ok, %{config: %{store: store}} = instance} <- Instance.fetch(opts),
         {:ok, _trial} <- store.fetch_trial(instance, id),
         {:ok, points} <- store.trial_points(instance, id, key) do
      {:ok, Enum.map(points, &Metric.from_point/1)}
    end
  end

  defp to_row(attrs) do
    with {:ok, row} <- Row.dump(attrs, @table),
         :ok <- check_status(row[:status]),
         :ok <- check_maps(row),
         do: {:ok, row}
  end

  defp check_maps(row) do
    case Enum.find(@maps, &(row[&1] != nil and not is_map(row[&1]))) do
      nil -> :ok
      column -> {:error, invalid("a trial's #{column} is a map, got #{inspect(row[column])}")}
    end
  end

  defp check_status(nil), do: :ok

  defp check_status(status) do
    if Enum.any?(Trial.statuses(), &(Atom.to_string(&1) == to_string(status))) do
      :ok
    else
      known = Enum.map_join(Trial.statuses(), ", ", &inspect/1)
      {:error, invalid("a trial's status is one of #{known}, got #{inspect(status)}")}
    end
  end

  defp require_trial_id(%{trial_id: id}) when is_binary(id) and id != "", do: :ok

  defp require_trial_id(_row),
    do: {:error, invalid("a trial needs a :trial_id, a non-empty string that no other trial has")}

  # A trial that ends without saying when, and without a beginning and a duration that tell it,
  # ends now.
  defp note_end(row, current) do
    known? = fn field -> (row[field] || current[Atom.to_string(field)]) != nil end

    if ended?(row[:status]) and not known?.(:completed_at) and
         not (known?.(:started_at) and known?.(:duration_ms)) do
      Map.put(row, :completed_at, Metric.now())
    else
      row
    end
  end

  defp ended?(nil), do: false

  defp ended?(status),
    do: status |> to_string() |> String.to_existing_atom() |> ModelTrial.ended?()

  # Neither step nor timestamp: the store knows what was logged before, and the time.
  defp final_points(row) do
    for {key, value} <- ModelTrial.final_metrics(row), do: {key, value, nil, row[:completed_at]}
  end

  defp invalid(message), do: Error.new(:invalid, "trial", message)
end
