defmodule MLflow.Outbox.Keeper do
  @moduledoc false
  # Owns an instance's outbox. It is opened when something is left in it from an earlier start, or
  # else when the first logger needs it; each of its logs has a courier, which is started again
  # should it crash. What processes that died leave behind on this machine is taken over.

  use GenServer
  require Logger

  alias MLflow.{Config, Error, Native}
  alias MLflow.Outbox.Courier

  @adopt_every 30_000
  @restart_after 1_000

  defstruct [:config, :couriers, :outbox, running: %{}, told: []]

  def start_link(%Config{} = config),
    do: GenServer.start_link(__MODULE__, config, name: via(config.name))

  @doc "The log of this key, and its courier at work."
  @spec open_log(atom, String.t(), map, pid) :: {:ok, map} | {:error, Error.t()}
  def open_log(name, key, identity, logger),
    do: call(name, {:open_log, key, identity, logger})

  @doc "The logs there are."
  @spec logs(atom) :: {:ok, [map]} | {:error, Error.t()}
  def logs(name), do: call(name, :logs)

  @doc "Removes a log that is done, unless a logger has just opened it; tells whether it is gone."
  @spec remove(atom, map) :: boolean
  def remove(name, log), do: call(name, {:remove, log}) == {:ok, true}

  defp via(name), do: {:via, Registry, {MLflow.Registry, {__MODULE__, name}}}

  defp call(name, request) do
    GenServer.call(via(name), request, 30_000)
  catch
    :exit, _reason ->
      message = "the outbox of #{inspect(name)} is not running; is the instance being restarted?"
      {:error, Error.new(:store, "outbox", message, retryable: true)}
  end

  @impl true
  def init(config) do
    Process.flag(:trap_exit, true)
    {:ok, couriers} = DynamicSupervisor.start_link(strategy: :one_for_one)
    {:ok, %__MODULE__{config: config, couriers: couriers}, {:continue, :recover}}
  end

  @impl true
  def handle_continue(:recover, state) do
    with true <- left_over?(state.config),
         {:ok, state} <- open(state) do
      {:noreply, state}
    else
      false ->
        {:noreply, state}

      {:error, error} ->
        Logger.error("MLflow's outbox could not be opened: #{Exception.message(error)}")
        Process.send_after(self(), :recover, @adopt_every)
        {:noreply, state}
    end
  end

  @impl true
  def handle_call({:open_log, key, identity, logger}, _from, state) do
    with {:ok, state} <- open(state),
         {:ok, log} <- Native.outbox_log(state.outbox, key, identity) do
      state = ensure_courier(log, state)
      with %{pid: courier} <- state.running[log.id], do: Courier.attach(courier, logger)
      {:reply, {:ok, log}, state}
    else
      {:error, error} -> {:reply, {:error, error}, state}
    end
  end

  def handle_call(:logs, _from, %{outbox: nil} = state), do: {:reply, {:ok, []}, state}

  def handle_call(:logs, _from, state) do
    {answer, state} = take_stock(state)
    {:reply, answer, state}
  end

  def handle_call({:remove, log}, _from, state) do
    # A logger registers before it asks for its log, so none can come in between.
    case Courier.logger(state.config.name, log) == nil and Native.log_remove_if_done(log.log) do
      {:ok, true} -> {:reply, {:ok, true}, forget(log.id, state)}
      _ -> {:reply, {:ok, false}, state}
    end
  end

  @impl true
  def handle_info(:recover, state), do: {:noreply, state, {:continue, :recover}}

  def handle_info(:adopt, state) do
    Process.send_after(self(), :adopt, @adopt_every)
    {answer, state} = take_stock(state)
    with {:error, error} <- answer, do: Logger.warning("MLflow: #{Exception.message(error)}")
    {:noreply, state}
  end

  def handle_info({:DOWN, monitor, :process, _pid, _reason}, state) do
    case Enum.find(state.running, fn {_id, courier} -> courier.monitor == monitor end) do
      nil ->
        {:noreply, state}

      {id, courier} ->
        Process.send_after(self(), {:restart, courier.log}, @restart_after)
        {:noreply, %{state | running: Map.delete(state.running, id)}}
    end
  end

  def handle_info({:restart, log}, state), do: {:noreply, ensure_courier(log, state)}

  def handle_info({:EXIT, couriers, reason}, %{couriers: couriers} = state),
    do: {:stop, reason, state}

  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  # The couriers deliver what they can in a moment; what is left is safe on the disk.
  def terminate(_reason, state) do
    if Process.alive?(state.couriers), do: Supervisor.stop(state.couriers, :shutdown)
    if state.outbox, do: Native.outbox_flush(state.outbox)
  end

  defp open(%{outbox: nil, config: config} = state) do
    options = %{
      limit: config.outbox_limit,
      flush_interval: config.flush_interval,
      deliveries: config.concurrency
    }

    with {:ok, folder} <- folder(config),
         {:ok, outbox} <- Native.outbox_open(folder, options) do
      Process.send_after(self(), :adopt, @adopt_every)
      {_logs, state} = take_stock(%{state | outbox: outbox})
      {:ok, state}
    end
  end

  defp open(state), do: {:ok, state}

  # Every log there is has a courier from here on, those of processes that have died included.
  defp take_stock(state) do
    with {:ok, logs} = answer <- Native.outbox_logs(state.outbox) do
      {answer, logs |> Enum.reduce(state, &ensure_courier/2) |> tell_unreadable()}
    else
      error -> {error, state}
    end
  end

  defp tell_unreadable(state) do
    unreadable = Native.outbox_unreadable(state.outbox)
    for problem <- unreadable -- state.told, do: Logger.error("MLflow's outbox: #{problem}")
    %{state | told: unreadable}
  end

  defp ensure_courier(log, state) when is_map_key(state.running, log.id), do: state

  defp ensure_courier(log, state) do
    spec = {Courier, name: state.config.name, log: log}

    case DynamicSupervisor.start_child(state.couriers, spec) do
      {:ok, pid} ->
        courier = %{pid: pid, monitor: Process.monitor(pid), log: log}
        %{state | running: Map.put(state.running, log.id, courier)}

      {:error, reason} ->
        Logger.error("MLflow's outbox could not start a courier: #{inspect(reason)}")
        Process.send_after(self(), {:restart, log}, @restart_after)
        state
    end
  end

  defp forget(id, state) do
    {courier, running} = Map.pop(state.running, id)
    if courier, do: Process.demonitor(courier.monitor, [:flush])
    %{state | running: running}
  end

  # One folder per instance: as with jobs, an instance's name says whose server it is for.
  defp folder(%Config{outbox: ":memory:" <> _}) do
    message =
      "an instance with a database in memory has no place for an outbox; set outbox: to a folder"

    {:error, Error.new(:config, "outbox", message)}
  end

  defp folder(%Config{outbox: outbox, name: name}),
    do: {:ok, Path.join(outbox, URI.encode(Atom.to_string(name), &URI.char_unreserved?/1))}

  defp left_over?(config) do
    case folder(config) do
      {:ok, folder} -> File.dir?(folder)
      _ -> false
    end
  end
end
