defmodule MLflow.Queue do
  @moduledoc """
  What runs the sync jobs, durably.

  The embedded queue (`MLflow.Queue.Embedded`) is the default; `MLflow.Queue.Oban` puts the jobs into
  an application's Oban. A queue runs each job by calling `MLflow.SyncWorker.run/2` with the job's
  args and acts on what it returns:

  | verdict | what the queue does |
  |---|---|
  | `{:ok, result}` | the job is completed |
  | `{:error, error}` | tried again with jittered exponential backoff, up to its attempts |
  | `{:snooze, seconds, error}` | tried again then; the attempt does not count |
  | `{:cancel, error}` | given up: trying again cannot help |
  """

  alias MLflow.{Config, Error, Instance}

  @typedoc """
  A job to enqueue. `unique` names what the job does to what: while one waits, an equal one is
  not added. `lock` names what it works on: two jobs with one lock never run at the same time.
  """
  @type new :: %{
          action: String.t(),
          args: map,
          unique: String.t(),
          lock: String.t()
        }

  @type verdict ::
          {:ok, map}
          | {:error, Error.t()}
          | {:snooze, pos_integer, Error.t()}
          | {:cancel, Error.t()}

  @doc "What the queue needs running in the instance's supervision tree."
  @callback children(Config.t()) :: [Supervisor.child_spec() | {module, term} | module]

  @doc """
  Adds jobs, all or none. Options: `schedule_in:` (s), `scheduled_at:` (`DateTime`), `priority:`
  (0..9), `max_attempts:`, and `spread:` (s): jobs that are added together begin one after the other
  over that time, each somewhere in a slot of its own, instead of all at once.
  """
  @callback enqueue(Instance.t(), [new], keyword) :: {:ok, [struct]} | {:error, Error.t()}

  @doc "Waits until a job is finished. Option: `timeout:` (ms)."
  @callback await(Instance.t(), struct, keyword) :: {:ok, struct} | {:error, Error.t()}

  @doc "Jobs, newest first. Options: `state:` (one or a list), `action:`, `limit:`."
  @callback list(Instance.t(), keyword) :: {:ok, [struct]} | {:error, Error.t()}

  @doc "Cancels a job that waits."
  @callback cancel(Instance.t(), struct) :: {:ok, struct} | {:error, Error.t()}

  @doc "Makes a finished or waiting job run now, with one more attempt if it has none left."
  @callback retry(Instance.t(), struct) :: {:ok, struct} | {:error, Error.t()}

  @doc "Waits until no job is due or running. Option: `timeout:` (ms)."
  @callback drain(Instance.t(), keyword) :: :ok | {:error, Error.t()}

  @doc false
  # A queue says with an ArgumentError what is wrong with its options.
  @spec children(Config.t()) :: {:ok, [Supervisor.child_spec()]} | {:error, Error.t()}
  def children(%Config{queue: queue} = config) do
    if Code.ensure_loaded?(queue),
      do: {:ok, queue.children(config)},
      else: {:error, Error.new(:config, "queue", not_there(queue))}
  rescue
    error in ArgumentError -> {:error, Error.new(:config, "queue", Exception.message(error))}
  end

  defp not_there(MLflow.Queue.Oban) do
    "MLflow.Queue.Oban needs Oban: add {:oban, \"~> 2.17\"} to the dependencies, and compile " <>
      "mlflow_sync again (mix deps.compile mlflow_sync --force)"
  end

  defp not_there(queue), do: "there is no module #{inspect(queue)}; check the setting :queue"
end
