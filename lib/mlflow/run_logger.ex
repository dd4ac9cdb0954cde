defmodule MLflow.RunLogger do
  @moduledoc """
  Logging for training loops: durable, and never waiting for the server.

      {:ok, logger} = MLflow.RunLogger.start_link(run_name: "resnet", params: %{lr: 0.1})

      for step <- 1..10_000 do
        :ok = MLflow.RunLogger.log(logger, %{loss: train_step()}, step: step)
      end

      {:ok, :delivered} = MLflow.RunLogger.close(logger)

  `log/3` appends to a file and answers; a few microseconds. From then on the points survive the
  death of the process and of the VM, and after `flush_interval` (1 s) a power cut as well. A
  courier brings them to MLflow in full batches, in their order, whatever the server is doing; what
  a VM leaves behind the next one delivers. See `MLflow.Outbox` for what waits.

  ## Which run

    * `trial: "t1"` - the run of a trial of the store, which is synced first if it has none
    * `run_id: "…"` - a run that exists in MLflow
    * neither - a run of its own, created when the server can be reached. Options: `run_name:`,
      `experiment:` (id, or name of one that is created if missing; default: the default
      experiment), `params:`, `tags:`, and `id:`. A logger of the same `id` logs into the same run,
      after a restart as well; without one it gets a random id.

  ## How a run of its own ends

  With `close/2`, as `:finished` or what it says. Without it, by how the process that started the
  logger ends, as the logger is linked to it: `:finished` when that ends normally, `:failed` when it
  crashes, `:killed` when it is shut down. The end travels behind the points and arrives after
  them. `on_exit: :leave` leaves the run as it is instead, for a logger that will come back with the
  same `id`. When the VM itself is killed, a run whose logger had no `id:`, and so cannot come back,
  is ended as `:failed` by the next start; one with an `id:` is left running.

  ## Back-pressure

  The outbox is bounded (`outbox_limit`). Beyond it `log/3` answers an `:overloaded` error and
  keeps nothing of the call: log less, or try again later. A full disk is a `:store` error.

  In a supervision tree, give the logger a name of the VM with `as:` and log to that:

      children = [{MLflow.RunLogger, id: "nightly", as: MyApp.Nightly}]
      MLflow.RunLogger.log(MyApp.Nightly, %{loss: 0.1})
  """

  alias MLflow.{Error, Instance, Metric, Native, Run, Value}
  alias MLflow.Outbox.{Courier, Waiting}
  alias MLflow.RunLogger.{Holder, Identity}

  @type logger :: pid | atom

  # What takes a scheduler well under a millisecond.
  @at_once 1_000

  @doc """
  Starts a logger, linked to the caller; the module documentation has the options.

  Nothing is asked of the server. A disabled instance is a `:disabled` error, a trial that the store
  does not have `:not_found`, and a second logger for the same run `:already_exists`: any process
  may use the first one.
  """
  @spec start_link(keyword) :: {:ok, pid} | {:error, Error.t()}
  def start_link(opts \\ []) do
    Identity.check_options!(opts)

    with {:ok, instance} <- Instance.fetch_enabled(opts),
         {:ok, identity} <- Identity.new(instance, opts),
         do: Holder.start_link(instance.name, identity, opts)
  end

  @doc "For a supervision tree; a logger that was closed is not started again."
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(opts) do
    id = opts[:as] || opts[:trial] || opts[:run_id] || opts[:id]
    %{id: {__MODULE__, id}, start: {__MODULE__, :start_link, [opts]}, restart: :transient}
  end

  @doc """
  Logs metrics. Options: `step:` (0), `timestamp:` (ms; now).

  Takes a map or keyword list of values, or a list of `{key, value}`, `{key, value, step}`,
  `{key, value, step, timestamp}`. The time is fixed at the call. Once it has answered
  `:ok`, all of it is kept; after an error, none.

      MLflow.RunLogger.log(logger, %{loss: 0.5, acc: 0.8}, step: 3)
      MLflow.RunLogger.log(logger, [{:loss, 0.5, 1}, {:loss, 0.4, 2}])
  """
  @spec log(logger, map | list, keyword) :: :ok | {:error, Error.t()}
  def log(logger, metrics, opts \\ []) do
    with {:ok, open} <- open(logger),
         {:ok, points} <- Metric.points(metrics, opts),
         do: points |> append(open) |> appended(open)
  end

  @doc "Logs params; MLflow never changes a param's value, and refuses another one."
  @spec log_params(logger, map | list) :: :ok | {:error, Error.t()}
  def log_params(logger, params), do: log_pairs(logger, :param, params)

  @doc "Sets tags; of a tag's values the last one counts."
  @spec set_tags(logger, map | list) :: :ok | {:error, Error.t()}
  def set_tags(logger, tags), do: log_pairs(logger, :tag, tags)

  @doc """
  Waits until all that was logged so far is delivered. Option: `timeout:` (30,000 ms).

  A `:timeout` error tells how much is still waiting, which stays so and is delivered later. If
  MLflow has refused some of it for good, that is an `:invalid` error; see
  `MLflow.Outbox.rejected/2`.
  """
  @spec flush(logger, keyword) :: :ok | {:error, Error.t()}
  def flush(logger, opts \\ []) do
    with {:ok, {name, log}} <- open(logger),
         :ok <- Waiting.until_delivered(name, [log], Keyword.get(opts, :timeout, 30_000)),
         do: check_rejected(log)
  end

  @doc """
  Ends the logging, and waits a while for what is left to be delivered.

  Options: `status:` (`:finished`, `:failed` or `:killed`; how a run of its own ends, default
  `:finished`), `timeout:` (5,000 ms). Answers `{:ok, :delivered}`, or `{:ok, :waiting}` when the
  server did not take all in that time: it will. A trial's status belongs to the trial, so its
  logger takes none.
  """
  @spec close(logger, keyword) :: {:ok, :delivered | :waiting} | {:error, Error.t()}
  def close(logger, opts \\ []) do
    status = ending!(opts[:status])

    with {:ok, {name, log}} <- open(logger),
         :ok <- Identity.check_status!(log.identity, status),
         :ok <- Holder.close(logger, status) do
      case Waiting.until_delivered(name, [log], Keyword.get(opts, :timeout, 5_000)) do
        :ok -> {:ok, :delivered}
        {:error, _timeout} -> {:ok, :waiting}
      end
    end
  end

  defp append(points, {_name, log}) do
    if length(points) <= @at_once,
      do: Native.log_points(log.log, points),
      else: Native.log_many_points(log.log, points)
  end

  defp log_pairs(logger, kind, pairs) do
    with {:ok, {_name, log} = open} <- open(logger),
         do: log.log |> Native.log_pairs(kind, Value.pairs(pairs)) |> appended(open)
  end

  defp appended(:ok, _open), do: :ok
  defp appended(:full, {name, log}), do: Courier.full(name, log)
  defp appended({:error, error}, _open), do: {:error, error}

  defp check_rejected(log) do
    case Native.log_progress(log.log) do
      %{rejected: 0, lost: 0} ->
        :ok

      %{rejected: rejected, lost: lost} ->
        id = inspect(log.identity["id"])

        message =
          "all is delivered but #{rejected} entries that MLflow refused, see " <>
            "MLflow.Outbox.rejected(#{id}), and #{lost} that damage made unreadable"

        {:error, Error.new(:invalid, "flush", message)}
    end
  end

  defp ending!(nil), do: nil
  defp ending!(status) when status in [:finished, :failed, :killed], do: status

  defp ending!(other) do
    ended = Enum.filter(Run.statuses(), &Run.terminal?/1)
    raise ArgumentError, ":status is one of #{inspect(ended)}, got #{inspect(other)}"
  end

  defp open(logger) when is_pid(logger) do
    case Registry.lookup(MLflow.Registry, {__MODULE__, logger}) do
      [{_pid, open}] -> {:ok, open}
      [] -> {:error, closed()}
    end
  end

  defp open(logger) when is_atom(logger) and logger != nil do
    case Process.whereis(logger) do
      nil -> {:error, closed()}
      pid -> with {:error, _} <- open(pid), do: open_when_started(pid)
    end
  end

  defp open(other),
    do: raise(ArgumentError, "a logger is a pid or a registered name, got #{inspect(other)}")

  # A name is there before the log is open, as when a supervisor starts the logger again.
  defp open_when_started(pid) do
    if Holder.started?(pid), do: open(pid), else: {:error, closed()}
  end

  defp closed do
    message = "this logger is closed; start another one to log on"
    Error.new(:invalid, "log", message)
  end
end
