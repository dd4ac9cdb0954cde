defmodule MLflow.Outbox.Courier do
  @moduledoc false
  # Brings one log to its run: when something waits for a second, at once when a full request's
  # worth does, and again after a growing delay while the server is down. An error that trying again
  # soon cannot mend parks the log: it is shown, and tried again after a long while.
  #
  # It also watches the logger, and ends the run of one that died without saying how.

  use GenServer, restart: :temporary, shutdown: 6_000
  require Logger

  alias MLflow.{Error, Instance, Metric, Native, Telemetry}
  alias MLflow.Outbox.Destination

  @linger 1_000
  @first_delay 1_000
  @longest_delay 60_000
  @parked_for 600_000
  # How long a stopping courier goes on delivering.
  @grace 4_000

  defstruct [
    :name,
    :log,
    :run_id,
    :logger,
    :monitor,
    :task,
    :timer,
    failures: 0,
    wanted: 0,
    rejected: 0
  ]

  def start_link(opts), do: GenServer.start_link(__MODULE__, opts)

  @doc "The logger that has just opened the log."
  @spec attach(pid, pid) :: :ok
  def attach(courier, logger), do: GenServer.cast(courier, {:attach, logger})

  @doc "A full request's worth is waiting."
  @spec full(atom, map) :: :ok
  def full(name, log), do: tell(name, log, :full)

  @doc "Delivers all that was logged until now, without waiting for more or for a delay to pass."
  @spec hurry(atom, map) :: :ok
  def hurry(name, log), do: tell(name, log, :hurry)

  @doc "The error of the last delivery, if it failed."
  @spec error(atom, map) :: Error.t() | nil
  def error(name, log) do
    case Registry.lookup(MLflow.Registry, {__MODULE__, name, log.id}) do
      [{_pid, error}] -> error
      [] -> nil
    end
  end

  @doc "The living logger of a log, if there is one."
  @spec logger(atom, map) :: pid | nil
  def logger(name, log) do
    case Registry.lookup(MLflow.Registry, {MLflow.RunLogger, name, log.key}) do
      [{pid, _}] -> pid
      [] -> nil
    end
  end

  defp tell(name, log, message) do
    for {pid, _error} <- Registry.lookup(MLflow.Registry, {__MODULE__, name, log.id}),
        do: send(pid, message)

    :ok
  end

  @impl true
  def init(opts) do
    Process.flag(:trap_exit, true)
    state = %__MODULE__{name: opts[:name], log: opts[:log]}

    case register(state) do
      {:ok, _} -> {:ok, state, {:continue, :start}}
      {:error, reason} -> {:stop, reason}
    end
  end

  @impl true
  def handle_continue(:start, state) do
    state = %{state | rejected: progress(state).rejected}

    state =
      case logger(state.name, state.log) do
        nil -> logger_gone(state, :unknown)
        logger -> watch(state, logger)
      end

    {:noreply, deliver(state)}
  end

  @impl true
  def handle_cast({:attach, logger}, state), do: {:noreply, watch(state, logger)}

  @impl true
  def handle_info(:work, state), do: work(%{state | timer: nil})

  def handle_info(:full, %{failures: 0} = state), do: {:noreply, deliver(state)}
  def handle_info(:full, state), do: {:noreply, state}

  def handle_info(:hurry, state),
    do: {:noreply, deliver(%{state | wanted: progress(state).logged})}

  # A delivery ended with an answer.
  def handle_info({ref, answer}, %{task: %Task{ref: ref}} = state) do
    Process.demonitor(ref, [:flush])
    {:noreply, state |> delivered(answer) |> go_on()}
  end

  # Or without one.
  def handle_info({:DOWN, ref, :process, _pid, reason}, %{task: %Task{ref: ref}} = state) do
    {:noreply, state |> delivered(crashed(reason)) |> go_on()}
  end

  def handle_info({:DOWN, monitor, :process, _pid, reason}, %{monitor: monitor} = state),
    do: {:noreply, state |> logger_gone(reason) |> deliver()}

  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state) do
    state = hear_of_logger(state)

    if state.failures == 0,
      do: drain(state, now() + @grace),
      else: state.task && Task.shutdown(state.task, :brutal_kill)
  end

  # Loggers stop before their instance does, and the news may still be in the mailbox.
  defp hear_of_logger(%{monitor: monitor} = state) do
    receive do
      {:DOWN, ^monitor, :process, _pid, reason} -> logger_gone(state, reason)
    after
      0 -> state
    end
  end

  defp drain(%{task: nil} = state, deadline) do
    if waiting(state) > 0 and now() < deadline, do: state |> start() |> drain(deadline)
  end

  defp drain(%{task: task} = state, deadline) do
    case Task.yield(task, max(deadline - now(), 0)) || Task.shutdown(task, :brutal_kill) do
      {:ok, {:ok, _} = answer} -> state |> delivered(answer) |> drain(deadline)
      _ -> :ok
    end
  end

  defp work(state) do
    if state.logger == nil and state.task == nil and done?(progress(state)),
      do: retire(state),
      else: {:noreply, deliver(state)}
  end

  defp done?(progress),
    do: progress.delivered == progress.logged and progress.rejected == 0 and progress.lost == 0

  # Nobody logs here any more and nothing waits. A logger that opens the log in this very moment
  # finds it with a new courier, which takes over the name.
  defp retire(state) do
    Registry.unregister(MLflow.Registry, {__MODULE__, state.name, state.log.id})

    with false <- MLflow.Outbox.Keeper.remove(state.name, state.log),
         {:ok, _} <- register(state) do
      {:noreply, again_in(state, @linger)}
    else
      _ -> {:stop, :normal, state}
    end
  end

  defp register(state),
    do: Registry.register(MLflow.Registry, {__MODULE__, state.name, state.log.id}, nil)

  defp deliver(%{task: nil} = state) do
    if waiting(state) > 0, do: start(state), else: again_in(state, @linger)
  end

  defp deliver(state), do: state

  defp start(state) do
    %{name: name, log: log, run_id: run_id} = cancel_timer(state)
    metadata = %{name: name, logger: log.identity["id"], run_id: run_id}

    task =
      Task.async(fn ->
        Telemetry.span([:outbox, :deliver], metadata, fn -> carry(name, log, run_id) end)
      end)

    %{state | task: task, timer: nil}
  end

  defp carry(name, log, known) do
    with {:ok, instance} <- Instance.fetch_enabled(name: name),
         {:ok, run_id} <- Destination.run_id(instance, log, known),
         {:ok, answer} <- Instance.request(instance, {:deliver, log.log, run_id}) do
      {:ok, Map.put(answer, :run_id, run_id)}
    end
  end

  defp crashed(reason),
    do: {:error, Error.new(:crashed, "outbox", Exception.format_exit(reason), retryable: true)}

  defp delivered(state, {:ok, answer}) do
    publish(state, nil)
    tell_rejected(%{state | task: nil, failures: 0, run_id: answer.run_id})
  end

  defp delivered(state, {:error, error}) do
    if state.failures == 0 and not error.retryable, do: warn_parked(state, error)
    publish(state, error)
    state = tell_rejected(%{state | task: nil, failures: state.failures + 1, wanted: 0})
    again_in(state, delay(error, state.failures))
  end

  # What somebody waits for, and full requests, go out at once; the rest may become more first.
  defp go_on(%{failures: 0} = state) do
    %{logged: logged, delivered: delivered} = progress(state)

    if delivered < state.wanted or logged - delivered >= 1_000,
      do: deliver(state),
      else: again_in(state, @linger)
  end

  defp go_on(state), do: state

  defp delay(%Error{retryable: false}, _failures), do: jittered(@parked_for)

  defp delay(%Error{retry_after: wait}, failures) do
    ceiling = min(@first_delay * Integer.pow(2, min(failures, 10) - 1), @longest_delay)
    max(wait || 0, jittered(ceiling))
  end

  # So that couriers that failed together do not come back together.
  defp jittered(ms), do: div(ms, 2) + :rand.uniform(div(ms, 2))

  defp again_in(state, ms) do
    state = cancel_timer(state)
    %{state | timer: Process.send_after(self(), :work, ms)}
  end

  defp cancel_timer(%{timer: nil} = state), do: state

  defp cancel_timer(%{timer: timer} = state) do
    Process.cancel_timer(timer)
    %{state | timer: nil}
  end

  defp publish(state, error) do
    key = {__MODULE__, state.name, state.log.id}
    Registry.update_value(MLflow.Registry, key, fn _ -> error end)
  end

  defp tell_rejected(state) do
    rejected = progress(state).rejected

    if state.rejected == 0 and rejected > 0 do
      Logger.warning(
        "MLflow refused #{rejected} of what #{describe(state)} logged; " <>
          "MLflow.Outbox.rejected(#{inspect(state.log.identity["id"])}) tells which and why"
      )
    end

    %{state | rejected: rejected}
  end

  defp warn_parked(state, error) do
    Logger.warning(
      "what #{describe(state)} logged cannot be delivered: #{Exception.message(error)}; it is " <>
        "kept, see MLflow.Outbox"
    )
  end

  defp describe(%{log: %{identity: identity}}),
    do: "the #{identity["kind"]} logger #{inspect(identity["id"])}"

  defp watch(%{logger: logger} = state, logger), do: state

  defp watch(state, logger) do
    if state.monitor, do: Process.demonitor(state.monitor, [:flush])
    %{state | logger: logger, monitor: Process.monitor(logger)}
  end

  # A run of its own ends with its logger.
  defp logger_gone(state, reason) do
    with %{"kind" => "own", "on_exit" => "auto"} <- state.log.identity,
         %{ended: false} = info <- Native.log_info(state.log.log),
         {status, end_time} <- ending(reason, state.log.identity, info),
         {:error, error} <- Native.log_status(state.log.log, status, end_time) do
      Logger.warning("the end of #{describe(state)} is not kept: #{Exception.message(error)}")
    end

    %{state | logger: nil, monitor: nil, wanted: progress(state).logged}
  end

  defp ending(:normal, _identity, _info), do: {:finished, Metric.now()}
  defp ending(:shutdown, _identity, _info), do: {:killed, Metric.now()}
  defp ending({:shutdown, _}, _identity, _info), do: {:killed, Metric.now()}

  # It died while nobody was watching, as in a VM that was killed. One whose id was given may come
  # back; of another one nothing more can come.
  defp ending(reason, %{"resumable" => true}, _info) when reason in [:unknown, :noproc], do: nil

  defp ending(reason, _identity, info) when reason in [:unknown, :noproc],
    do: {:failed, info.latest || Metric.now()}

  defp ending(_crash, _identity, _info), do: {:failed, Metric.now()}

  defp progress(state), do: Native.log_progress(state.log.log)

  defp waiting(state) do
    %{logged: logged, delivered: delivered} = progress(state)
    logged - delivered
  end

  defp now, do: System.monotonic_time(:millisecond)
end
