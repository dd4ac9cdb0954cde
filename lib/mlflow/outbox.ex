defmodule MLflow.Outbox do
  @moduledoc """
  What `MLflow.RunLogger` has logged and MLflow has not got yet.

  It is kept in a folder of files (`outbox:`, by default beside the database) until it is
  delivered, through restarts and days without a server. Whoever starts the instance again delivers
  what is left, without being asked; so does another VM on the same machine, for one that died.

      iex> MLflow.Outbox.status()
      {:ok, %{points: 1200, bytes: 48_000, oldest: 4_200, loggers: [%{id: "train-7", waiting: 1200, …}]}}

  Nothing leaves it silently. What MLflow refuses for good, such as another value for a param, is
  put aside with its reason (`rejected/2`), and the rest goes on. A log that cannot be delivered as
  things are, because its run was deleted or the credentials are wrong, is parked with its error,
  tried again every few minutes, and given up only by `discard/2`.
  """

  alias MLflow.{Error, Instance, Metric, Native}
  alias MLflow.Outbox.{Courier, Keeper, Waiting}

  @type result(value) :: {:ok, value} | {:error, Error.t()}

  @typedoc """
  One log.

    * `id` - the logger's: its own id, the trial's or the run's
    * `run_id` - MLflow's run, once it is known; `trial` - the trial's id, for a trial's logger
    * `waiting` - entries (points, params, tags, the run's status) not delivered yet, and `bytes`
    * `oldest_age_ms` - since when the first of them waits, in ms; `nil` when none does
    * `error` - why the last delivery failed
    * `rejected` - entries that MLflow refused for good, see `rejected/2`
    * `lost` - entries that damage to the files made unreadable; copies are in `folder`
  """
  @type log :: %{
          id: String.t(),
          run_id: String.t() | nil,
          trial: String.t() | nil,
          waiting: non_neg_integer,
          bytes: non_neg_integer,
          oldest_age_ms: non_neg_integer | nil,
          error: Error.t() | nil,
          rejected: non_neg_integer,
          lost: non_neg_integer,
          folder: String.t()
        }

  @typedoc """
  An entry that MLflow refused: `{:metric, key, value, step, timestamp}`, `{:param, key, value}`,
  `{:tag, key, value}` or `{:status, status, end_time}`, the error's kind, MLflow's reason, and when
  that was (ms).
  """
  @type rejected :: %{
          entry: tuple,
          kind: String.t(),
          message: String.t(),
          rejected_at: integer
        }

  @doc "What waits, in all and per logger; `oldest` is in ms. Option: `name:`."
  @spec status(keyword) ::
          result(%{
            points: non_neg_integer,
            bytes: non_neg_integer,
            oldest: non_neg_integer | nil,
            loggers: [log]
          })
  def status(opts \\ []) do
    with {:ok, instance, logs} <- logs(opts) do
      loggers = Enum.map(logs, &describe(instance, &1))

      {:ok,
       %{
         points: loggers |> Enum.map(& &1.waiting) |> Enum.sum(),
         bytes: loggers |> Enum.map(& &1.bytes) |> Enum.sum(),
         oldest: loggers |> Enum.map(& &1.oldest_age_ms) |> Enum.reject(&is_nil/1) |> longest(),
         loggers: loggers
       }}
    end
  end

  @doc "The entries of a logger that MLflow refused for good, in their order. Option: `name:`."
  @spec rejected(String.t(), keyword) :: result([rejected])
  def rejected(id, opts \\ []) do
    with {:ok, _instance, logs} <- logs_of(id, opts) do
      Enum.reduce_while(logs, {:ok, []}, fn log, {:ok, found} ->
        case Native.log_rejected(log.log) do
          {:ok, rejected} -> {:cont, {:ok, found ++ rejected}}
          error -> {:halt, error}
        end
      end)
    end
  end

  @doc """
  Delivers now what waits now, whatever delays are running, and waits for it.

  Options: `timeout:` (30,000 ms), `name:`. A `:timeout` error tells how much is still waiting.
  """
  @spec flush(keyword) :: :ok | {:error, Error.t()}
  def flush(opts \\ []) do
    with {:ok, instance, logs} <- logs(opts),
         do: Waiting.until_delivered(instance.name, logs, Keyword.get(opts, :timeout, 30_000))
  end

  @doc """
  Gives up what a logger has waiting, and forgets what of it was refused. What was delivered stays.
  Option: `name:`.
  """
  @spec discard(String.t(), keyword) :: :ok | {:error, Error.t()}
  def discard(id, opts \\ []) do
    with {:ok, instance, logs} <- logs_of(id, opts) do
      Enum.reduce_while(logs, :ok, fn log, :ok ->
        case Native.log_discard(log.log) do
          :ok -> {:cont, Courier.hurry(instance.name, log)}
          error -> {:halt, error}
        end
      end)
    end
  end

  defp logs(opts) do
    with {:ok, instance} <- Instance.fetch_enabled(opts),
         {:ok, logs} <- Keeper.logs(instance.name),
         do: {:ok, instance, logs}
  end

  defp logs_of(id, opts) do
    with {:ok, instance, logs} <- logs(opts) do
      case Enum.filter(logs, &(&1.identity["id"] == id)) do
        [] -> {:error, unknown(id)}
        found -> {:ok, instance, found}
      end
    end
  end

  defp unknown(id) do
    message =
      "there is no log #{inspect(id)} in the outbox: all of it was delivered, or the id is " <>
        "another one; MLflow.Outbox.status/1 lists them"

    Error.new(:not_found, "outbox", message)
  end

  defp describe(instance, %{identity: identity} = log) do
    info = Native.log_info(log.log)

    %{
      id: identity["id"],
      run_id: info.run_id,
      trial: if(identity["kind"] == "trial", do: identity["id"]),
      waiting: info.waiting,
      bytes: info.bytes,
      oldest_age_ms: info.oldest && max(Metric.now() - info.oldest, 0),
      error: Courier.error(instance.name, log) || flush_error(info),
      rejected: info.rejected,
      lost: info.lost,
      folder: log.id
    }
  end

  defp flush_error(%{flush_error: nil}), do: nil
  defp flush_error(%{flush_error: message}), do: Error.new(:store, "outbox", message)

  defp longest([]), do: nil
  defp longest(ages), do: Enum.max(ages)
end
