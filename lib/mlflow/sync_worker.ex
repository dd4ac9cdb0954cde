defmodule MLflow.SyncWorker do
  @moduledoc """
  Queues the sync jobs, and runs them.

      {:ok, job} = MLflow.SyncWorker.sync_trial_to_mlflow("t1")
      {:ok, %{state: :completed, result: report}} = MLflow.SyncWorker.await(job)

  Every function takes `name:` for the instance. Queueing never waits for the network; it takes
  `schedule_in:` (s), `scheduled_at:` (`DateTime`), `priority:` (0, first, to 9; default 2) and
  `max_attempts:` (5). While a job waits, an equal one is not added: the waiting job is returned
  with `conflict?: true`.

  ## Job args

  | action | args |
  |---|---|
  | `"sync_trial_to_mlflow"` | `"trial_id"` |
  | `"sync_mlflow_to_trial"` | `"mlflow_run_id"` |
  | `"sync_experiment"` | `"experiment_id"` |
  | `"create_run"` | `"trial_id"`, `"experiment_id"` |
  | `"ensure_experiment"` | `"experiment_name"`, `"model_run_id"` (may be nil) |

  ## What becomes of an error

  What may pass (a dead server, a timeout) is tried again with jittered exponential backoff. What
  asks to wait (429, `Retry-After`) is snoozed for that long, and the attempt does not count; so is
  what finds that the server has not answered for a while (`MLflow.Client.limits/1`), until it is
  tried again. What trying again cannot mend (gone, invalid, forbidden, disabled) cancels the job,
  which keeps the error.
  """

  alias MLflow.{Crash, Error, Instance, Sync}

  @type opts :: keyword
  @type queued :: {:ok, struct} | {:error, Error.t()}

  @doc "Queues bringing a trial (by `id` or `trial_id`) to MLflow."
  @spec sync_trial_to_mlflow(String.t(), opts) :: queued
  def sync_trial_to_mlflow(trial_id, opts \\ []), do: enqueue_one(push_job(trial_id), opts)

  @doc "The same for many trials, in one write."
  @spec sync_trials_to_mlflow([String.t()], opts) :: {:ok, [struct]} | {:error, Error.t()}
  def sync_trials_to_mlflow(trial_ids, opts \\ []),
    do: enqueue(Enum.map(trial_ids, &push_job/1), opts)

  @doc "Queues bringing a run from MLflow into its record and its trial."
  @spec sync_mlflow_to_trial(String.t(), opts) :: queued
  def sync_mlflow_to_trial(mlflow_run_id, opts \\ []) do
    args = %{"mlflow_run_id" => string!(mlflow_run_id, :mlflow_run_id)}
    enqueue_one(job("sync_mlflow_to_trial", args, "run:#{mlflow_run_id}"), opts)
  end

  @doc "Queues comparing a whole experiment, by MLflow's id, its record's id or its name."
  @spec sync_experiment(String.t() | integer, opts) :: queued
  def sync_experiment(experiment_id, opts \\ []) do
    args = %{"experiment_id" => string!(experiment_id, :experiment_id)}
    enqueue_one(job("sync_experiment", args, "experiment:#{experiment_id}"), opts)
  end

  @doc "Queues creating a trial's run in an experiment."
  @spec create_run(String.t(), String.t() | integer, opts) :: queued
  def create_run(trial_id, experiment_id, opts \\ []) do
    args = %{
      "trial_id" => string!(trial_id, :trial_id),
      "experiment_id" => string!(experiment_id, :experiment_id)
    }

    enqueue_one(job("create_run", args, "trial:#{trial_id}"), opts)
  end

  @doc "Queues finding or creating an experiment by name. Option: `model_run_id:`."
  @spec ensure_experiment(String.t(), opts) :: queued
  def ensure_experiment(name, opts \\ []) do
    args = %{"experiment_name" => string!(name, :name), "model_run_id" => opts[:model_run_id]}
    enqueue_one(job("ensure_experiment", args, "experiment:#{name}"), opts)
  end

  @doc """
  Waits until a job is finished, however it ended: look at its `state`, `result` and `errors`.

  Option: `timeout:` (60,000 ms); the job goes on after a `:timeout` error.
  """
  @spec await(struct, opts) :: queued
  def await(job, opts \\ []), do: with_queue(opts, & &1.await(&2, job, opts))

  @doc "Jobs, newest first. Options: `state:` (one or a list), `action:`, `limit:`."
  @spec jobs(opts) :: {:ok, [struct]} | {:error, Error.t()}
  def jobs(opts \\ []), do: with_queue(opts, & &1.list(&2, opts))

  @doc "Waits until no job is due or running. Option: `timeout:` (60,000 ms)."
  @spec drain(opts) :: :ok | {:error, Error.t()}
  def drain(opts \\ []), do: with_queue(opts, & &1.drain(&2, opts))

  @doc "Cancels a job that waits."
  @spec cancel(struct, opts) :: queued
  def cancel(job, opts \\ []), do: with_queue(opts, & &1.cancel(&2, job))

  @doc "Runs a cancelled, discarded or waiting job now; refused while an equal one waits."
  @spec retry(struct, opts) :: queued
  def retry(job, opts \\ []), do: with_queue(opts, & &1.retry(&2, job))

  @doc "Runs a job's args at once; what a queue calls. Never raises."
  @spec run(Instance.t(), map) :: MLflow.Queue.verdict()
  def run(%Instance{name: name}, args) do
    args["action"] |> perform(args, name: name) |> verdict()
  rescue
    exception ->
      message = Crash.format(exception, __STACKTRACE__)
      {:error, Error.new(:crashed, "job", message, retryable: true)}
  end

  defp perform("sync_trial_to_mlflow", %{"trial_id" => id}, opts),
    do: Sync.trial_to_mlflow(id, opts)

  defp perform("sync_mlflow_to_trial", %{"mlflow_run_id" => id}, opts),
    do: Sync.mlflow_to_trial(id, opts)

  defp perform("sync_experiment", %{"experiment_id" => id}, opts), do: Sync.experiment(id, opts)

  defp perform("create_run", %{"trial_id" => id, "experiment_id" => experiment}, opts),
    do: Sync.create_run(id, experiment, opts)

  defp perform("ensure_experiment", %{"experiment_name" => name} = args, opts),
    do: Sync.ensure_experiment(name, [model_run_id: args["model_run_id"]] ++ opts)

  defp perform(action, args, _opts) do
    message = "no such job: action #{inspect(action)} with args #{inspect(Map.keys(args))}"
    {:error, Error.new(:invalid, "job", message)}
  end

  defp verdict({:ok, report}), do: {:ok, report}

  defp verdict({:error, error}) do
    case Error.verdict(error) do
      :snooze -> {:snooze, max(div(error.retry_after + 999, 1_000), 1), error}
      verdict -> {verdict, error}
    end
  end

  defp push_job(trial_id) do
    args = %{"trial_id" => string!(trial_id, :trial_id)}
    job("sync_trial_to_mlflow", args, "trial:#{trial_id}")
  end

  # Unique per action and target; locked by target, whatever the action.
  defp job(action, args, target),
    do: %{action: action, args: args, unique: "#{action} #{target}", lock: target}

  defp string!(value, _what) when is_binary(value) and value != "", do: value
  defp string!(value, _what) when is_integer(value), do: Integer.to_string(value)

  defp string!(value, what),
    do: raise(ArgumentError, "#{what} must be a non-empty string, got #{inspect(value)}")

  defp enqueue_one(job, opts) do
    with {:ok, [queued]} <- enqueue([job], opts), do: {:ok, queued}
  end

  defp enqueue([], _opts), do: {:ok, []}

  defp enqueue(jobs, opts) do
    with {:ok, instance} <- Instance.fetch_enabled(opts),
         do: instance.config.queue.enqueue(instance, jobs, opts)
  end

  defp with_queue(opts, fun) do
    with {:ok, instance} <- Instance.fetch(opts), do: fun.(instance.config.queue, instance)
  end
end
