defmodule MLflow.RunLogger.Holder do
  @moduledoc false
  # The logger as a process: it holds the log open for as long as it lives, and ends as the process
  # that started it ends. Logging itself goes past it.

  use GenServer

  alias MLflow.{Error, Metric, Native, Value}
  alias MLflow.Outbox.Keeper
  alias MLflow.RunLogger
  alias MLflow.RunLogger.Identity

  @doc "Starts the process; an error is answered, and does not reach the caller as an exit."
  @spec start_link(atom, Identity.t(), keyword) :: {:ok, pid} | {:error, Error.t()}
  def start_link(name, identity, opts) do
    reference = make_ref()
    args = {name, identity, opts, {self(), reference}}
    process = if opts[:as], do: [name: opts[:as]], else: []

    case GenServer.start_link(__MODULE__, args, process) do
      {:ok, pid} ->
        {:ok, pid}

      :ignore ->
        receive do: ({^reference, error} -> {:error, error})

      {:error, {:already_started, pid}} ->
        message = "#{inspect(opts[:as])} is the name of #{inspect(pid)} already"
        {:error, Error.new(:already_exists, "logger", message)}
    end
  end

  @doc "Logs how the run ends, and ends the process."
  @spec close(RunLogger.logger(), atom | nil) :: :ok | {:error, Error.t()}
  def close(logger, status) do
    GenServer.call(logger, {:close, status}, :infinity)
  catch
    :exit, _reason -> {:error, Error.new(:invalid, "close", "this logger is closed already")}
  end

  @doc "Waits until the process has begun; whether it has."
  @spec started?(pid) :: boolean
  def started?(logger) do
    GenServer.call(logger, :started?, :infinity)
  catch
    :exit, _reason -> false
  end

  @impl true
  def init({name, identity, opts, {caller, reference}}) do
    # Whose exit this is tells how the run ends.
    Process.flag(:trap_exit, true)
    key = Identity.key(identity)

    # Registered before the log is opened, so that nobody removes it in between.
    with :ok <- register(name, key),
         {:ok, log} <- Keeper.open_log(name, key, identity, self()),
         :ok <- begin(log, opts[:params] || []),
         {:ok, _} <- Registry.register(MLflow.Registry, {RunLogger, self()}, {name, slim(log)}) do
      {:ok, log}
    else
      {:error, error} ->
        send(caller, {reference, error})
        :ignore
    end
  end

  @impl true
  def handle_call(:started?, _from, log), do: {:reply, true, log}

  def handle_call({:close, status}, _from, log) do
    case finish(log, status) do
      {:error, error} ->
        {:reply, {:error, error}, log}

      _appended ->
        Registry.unregister(MLflow.Registry, {RunLogger, self()})
        {:stop, :normal, :ok, log}
    end
  end

  @impl true
  # Of the parent's exit the behaviour takes care; this is somebody else who was linked.
  def handle_info({:EXIT, _pid, :normal}, log), do: {:noreply, log}
  def handle_info({:EXIT, _pid, reason}, log), do: {:stop, reason, log}
  def handle_info(_other, log), do: {:noreply, log}

  # What every call to log copies.
  defp slim(log), do: Map.update!(log, :identity, &Map.take(&1, ["kind", "id"]))

  defp register(name, key) do
    case Registry.register(MLflow.Registry, {RunLogger, name, key}, nil) do
      {:ok, _} -> :ok
      {:error, {:already_registered, pid}} -> {:error, taken(key, pid)}
    end
  end

  defp taken(key, pid) do
    message = "#{inspect(pid)} logs to #{key} already: any process may log to it, so share it"
    Error.new(:already_exists, "logger", message)
  end

  # A run that had ended goes on.
  defp begin(%{identity: %{"kind" => "own"}} = log, params) do
    with %{ended: true} <- Native.log_info(log.log),
         {:error, error} <- Native.log_status(log.log, :running, nil) do
      {:error, error}
    else
      _ -> log_params(log, Value.pairs(params))
    end
  end

  defp begin(_log, _params), do: :ok

  defp log_params(_log, []), do: :ok

  defp log_params(log, params) do
    with full_or_ok when full_or_ok in [:ok, :full] <- Native.log_pairs(log.log, :param, params),
         do: :ok
  end

  defp finish(%{identity: %{"kind" => "own"}} = log, nil), do: finish(log, :finished)
  defp finish(_log, nil), do: :ok
  defp finish(log, status), do: Native.log_status(log.log, status, Metric.now())
end
