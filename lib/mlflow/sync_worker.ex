defmodule MLflow.SyncWorker do
  @moduledoc """
  Queues the sync jobs, and runs them.

      {:ok, job} = MLflow.SyncWorker.sync_trial_to_mlflow("t1")
      {:ok, job} = MLflow.SyncWorker.await(job)

  Every function takes `name:` for the instance. Queueing never waits for the network; it takes
  `schedule_in:` (s), `scheduled_at:` (`DateTime`), `priority:` (0, first, to 9; default 2),
  `max_attempts:` (5) and `spread:` (s, see `sync_trials_to_mlflow/2`). While a job waits, an equal
  one is not added: the waiting job is returned with `conflict?: true`.

  ## Queues

  What queues and runs the jobs is the instance's `queue`:

    * `MLflow.Queue.Embedded`, the default, keeps them in the embedded store's file. A job is an
      `MLflow.Job`: its `state` an atom, its `result` the report.
    * `MLflow.Queue.Oban` puts them into the application's Oban. A job is an `Oban.Job`, and every
      option of Oban's passes through.

  Where Oban is present, this module is an `Oban.Worker`: of queue `:mlflow_sync`, priority 2, with 5
  attempts, each of at most 10 minutes, an hour for an experiment.

  ### With a transaction

  Within the application's `Repo.transaction/1` these functions are part of it. For an `Ecto.Multi`,
  `new_job/3` makes what `Oban.insert/4` takes:

      Ecto.Multi.new()
      |> Ecto.Multi.insert(:trial, trial)
      |> Oban.insert(:sync, fn %{trial: trial} ->
        MLflow.SyncWorker.new_job(:sync_trial_to_mlflow, trial.id)
      end)
      |> MyApp.Repo.transaction()

  ### Periodic sync

  An instance looks for trials to sync every `sync_interval` s by itself. On several nodes, let Oban
  do that once for all of them, and set `sync_interval: 0`:

      {Oban.Plugins.Cron, crontab: [
        {"*/5 * * * *", MLflow.SyncWorker, args: %{action: "sync_due_trials"}}
      ]}

  The jobs begin spread over `"spread"` s, an arg: by default half the `sync_interval`, or 150 where
  that is 0. For another instance than `MLflow`, add `instance: "MyApp.MLflow"`.

  ### Jobs under another name

  Jobs that an application queued with a worker of its own go on to run if that worker is

      defmodule Thunderline.Thunderbolt.MLflow.SyncWorker do
        use MLflow.SyncWorker
      end

  It takes the options of `use Oban.Worker`, such as `queue:`, any of the callbacks of `Oban.Worker` may
  be written anew, and it has the four functions `sync_trial_to_mlflow`, `sync_mlflow_to_trial`,
  `sync_experiment` and `create_run`, which queue jobs of its own. Name it in
  `{MLflow.Queue.Oban, worker: …}`, and the jobs that the hooks queue are its, too.

  ## Job args

  | action | args |
  |---|---|
  | `"sync_trial_to_mlflow"` | `"trial_id"` |
  | `"sync_mlflow_to_trial"` | `"mlflow_run_id"` |
  | `"sync_experiment"` | `"experiment_id"` |
  | `"create_run"` | `"trial_id"`, `"experiment_id"` |
  | `"ensure_experiment"` | `"experiment_name"`, `"model_run_id"` (may be nil) |
  | `"sync_due_trials"` | `"spread"`, `"limit"` (both may be missing) |

  In Oban, the `"action"` is one of the args, and so is the `"instance"`, where that is another than
  `MLflow`.

  ## What becomes of an error

  What may pass (a dead server, a timeout) is tried again with jittered exponential backoff. What
  asks to wait (429, `Retry-After`) is snoozed for that long, and the attempt does not count; so is
  what finds that the server has not answered for a while (`MLflow.Client.limits/1`), until it is
  tried again. What trying again cannot mend (gone, invalid, forbidden, disabled) cancels the job,
  which keeps the error.
  """

  use MLflow.SyncWorker.Callbacks

  alias MLflow.{Crash, Error, Instance, Sync}
  alias MLflow.SyncWorker.Request

  if Code.ensure_loaded?(Oban.Worker) do
    @doc false
    defmacro __using__(opts) do
      quote do
        use MLflow.SyncWorker.Callbacks, unquote(opts)

        def sync_trial_to_mlflow(trial_id, opts \\ []),
          do: MLflow.SyncWorker.sync_trial_to_mlflow(trial_id, [worker: __MODULE__] ++ opts)

        def sync_mlflow_to_trial(mlflow_run_id, opts \\ []),
          do: MLflow.SyncWorker.sync_mlflow_to_trial(mlflow_run_id, [worker: __MODULE__] ++ opts)

        def sync_experiment(experiment_id, opts \\ []),
          do: MLflow.SyncWorker.sync_experiment(experiment_id, [worker: __MODULE__] ++ opts)

        def create_run(trial_id, experiment_id, opts \\ []) do
          opts = [worker: __MODULE__] ++ opts
          MLflow.SyncWorker.create_run(trial_id, experiment_id, opts)
        end

        defoverridable sync_trial_to_mlflow: 1,
                       sync_trial_to_mlflow: 2,
                       sync_mlflow_to_trial: 1,
                       sync_mlflow_to_trial: 2,
                       sync_experiment: 1,
                       sync_experiment: 2,
                       create_run: 2,
                       create_run: 3
      end
    end

    @doc """
    A job's changeset, for `Oban.insert/4` in an `Ecto.Multi` or any other function of Oban's.

        MLflow.SyncWorker.new_job(:sync_trial_to_mlflow, "t1", schedule_in: 60)
        MLflow.SyncWorker.new_job(:create_run, {"t1", "7"})

    The target is what the function of the action's name takes. Options are Oban's, `name:` for the
    instance, and `model_run_id:` of `:ensure_experiment`. Nothing is asked of the instance, which
    need not run.
    """
    @spec new_job(Request.action(), term, opts) :: Ecto.Changeset.t()
    def new_job(action, target, opts \\ []),
      do: action |> Request.new(target, opts) |> MLflow.Queue.Oban.new_job(opts)
  end

  @type opts :: keyword
  @type queued :: {:ok, struct} | {:error, Error.t()}

  # What one round of a periodic sync takes up; the next takes the rest.
  @most_due 1_000
  @default_spread 150

  @doc "Queues bringing a trial (by `id` or `trial_id`) to MLflow."
  @spec sync_trial_to_mlflow(String.t(), opts) :: queued
  def sync_trial_to_mlflow(trial_id, opts \\ []),
    do: enqueue_one(Request.new(:sync_trial_to_mlflow, trial_id), opts)

  @doc """
  The same for many trials, in one write (Oban: one for each 1000).

  Option: `spread:` (s), over which the jobs begin, one after the other, instead of all at once.

      {:ok, jobs} = MLflow.SyncWorker.sync_trials_to_mlflow(ids, spread: 600)
  """
  @spec sync_trials_to_mlflow([String.t()], opts) :: {:ok, [struct]} | {:error, Error.t()}
  def sync_trials_to_mlflow(trial_ids, opts \\ []),
    do: trial_ids |> Enum.map(&Request.new(:sync_trial_to_mlflow, &1)) |> enqueue(opts)

  @doc """
  The same for the trials that are due: new, unfinished, changed since, or failed to sync.

  Options: `limit:` (1000), and those of `sync_trials_to_mlflow/2`.
  """
  @spec sync_due_trials(opts) :: {:ok, [struct]} | {:error, Error.t()}
  def sync_due_trials(opts \\ []) do
    {limit, opts} = Keyword.pop(opts, :limit, @most_due)

    with {:ok, instance} <- Instance.fetch_enabled(opts),
         {:ok, ids} <- instance.config.store.due_trials(instance, limit),
         do: sync_trials_to_mlflow(ids, opts)
  end

  @doc "Queues bringing a run from MLflow into its record and its trial."
  @spec sync_mlflow_to_trial(String.t(), opts) :: queued
  def sync_mlflow_to_trial(mlflow_run_id, opts \\ []),
    do: enqueue_one(Request.new(:sync_mlflow_to_trial, mlflow_run_id), opts)

  @doc "Queues comparing a whole experiment, by MLflow's id, its record's id or its name."
  @spec sync_experiment(String.t() | integer, opts) :: queued
  def sync_experiment(experiment_id, opts \\ []),
    do: enqueue_one(Request.new(:sync_experiment, experiment_id), opts)

  @doc "Queues creating a trial's run in an experiment."
  @spec create_run(String.t(), String.t() | integer, opts) :: queued
  def create_run(trial_id, experiment_id, opts \\ []),
    do: enqueue_one(Request.new(:create_run, {trial_id, experiment_id}), opts)

  @doc "Queues finding or creating an experiment by name. Option: `model_run_id:`."
  @spec ensure_experiment(String.t(), opts) :: queued
  def ensure_experiment(name, opts \\ []),
    do: enqueue_one(Request.new(:ensure_experiment, name, opts), opts)

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
    args["action"] |> perform(Request.args(args), name: name) |> verdict()
  rescue
    exception ->
      message = Crash.format(exception, __STACKTRACE__)
      {:error, Error.new(:crashed, "job", message, retryable: true)}
  end

  defp perform("sync_trial_to_mlflow", %{"trial_id" => id}, opts) when is_binary(id),
    do: Sync.trial_to_mlflow(id, opts)

  defp perform("sync_mlflow_to_trial", %{"mlflow_run_id" => id}, opts) when is_binary(id),
    do: Sync.mlflow_to_trial(id, opts)

  defp perform("sync_experiment", %{"experiment_id" => id}, opts) when is_binary(id),
    do: Sync.experiment(id, opts)

  defp perform("create_run", %{"trial_id" => id, "experiment_id" => experiment}, opts)
       when is_binary(id) and is_binary(experiment),
       do: Sync.create_run(id, experiment, opts)

  defp perform("ensure_experiment", %{"experiment_name" => name} = args, opts)
       when is_binary(name),
       do: Sync.ensure_experiment(name, [model_run_id: args["model_run_id"]] ++ opts)

  defp perform("sync_due_trials", args, opts) do
    with {:ok, opts} <- due_options(args, opts),
         {:ok, jobs} <- sync_due_trials(opts) do
      queued = Enum.count(jobs, &(not &1.conflict?))
      {:ok, %{"due" => length(jobs), "queued" => queued}}
    end
  end

  defp perform(action, args, _opts) do
    message =
      "no such job: action #{inspect(action)} with args #{inspect(Map.keys(args))}; " <>
        "MLflow.SyncWorker says which there are, and what names something must be text"

    {:error, Error.new(:invalid, "job", message)}
  end

  defp verdict({:ok, report}), do: {:ok, report}

  defp verdict({:error, error}) do
    case Error.verdict(error) do
      :snooze -> {:snooze, max(div(error.retry_after + 999, 1_000), 1), error}
      verdict -> {verdict, error}
    end
  end

  # They come from a crontab, and a mistake there should be told as one.
  defp due_options(args, opts) do
    spread = Map.get_lazy(args, "spread", fn -> default_spread(opts) end)
    limit = Map.get(args, "limit", @most_due)

    if is_integer(spread) and spread >= 0 and is_integer(limit) and limit > 0 do
      {:ok, [spread: spread, limit: limit] ++ opts}
    else
      message = "\"spread\" and \"limit\" must be whole numbers: #{inspect({spread, limit})}"
      {:error, Error.new(:invalid, "job", message)}
    end
  end

  defp default_spread(opts) do
    case MLflow.config!(opts).sync_interval do
      0 -> @default_spread
      seconds -> div(seconds, 2)
    end
  end

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
