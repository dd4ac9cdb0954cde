defmodule MLflow.Server.Trials do
  @moduledoc false
  # Has the runs that change brought to their trials. What is logged is waited for until there is a
  # pause, lest a training loop queue a job for each of its steps; everything else is looked at once.
  # The looking is done by a process of its own, one at a time, and meanwhile what changes is noted.

  use GenServer
  require Logger

  alias MLflow.Server.{Change, Linking, News}

  # What is looked at in one go.
  @most_at_once 250
  # Beyond so many, everything is looked at.
  @most_pending 100_000
  @first_retry 200
  @longest_retry 30_000

  @enforce_keys [:server, :settings]
  defstruct [
    :server,
    :settings,
    :timer,
    :looking,
    # What changed while nobody listened, before the start, is looked at first.
    everything?: true,
    pending: %{},
    retry: @first_retry
  ]

  def start_link({server, settings}), do: GenServer.start_link(__MODULE__, {server, settings})

  @impl true
  def init({server, settings}) do
    News.subscribe(server)
    {:ok, %__MODULE__{server: server, settings: settings}, {:continue, :look}}
  end

  @impl true
  def handle_continue(:look, state), do: {:noreply, look(state)}

  @impl true
  def handle_info({:mlflow_server, _server, :overflow}, state),
    do: {:noreply, look(%{state | everything?: true, pending: %{}})}

  def handle_info({:mlflow_server, _server, %Change{} = change}, state) do
    state = note(state, change, now())
    # What is next is known already.
    {:noreply, if(change.kinds == [:logged] and state.timer, do: state, else: look(state))}
  end

  def handle_info({:look, timer}, %{timer: timer} = state),
    do: {:noreply, look(%{state | timer: nil})}

  def handle_info({:DOWN, reference, :process, _pid, how}, %{looking: {reference, what}} = state) do
    state = %{state | looking: nil}

    case how do
      {:shutdown, :done} -> {:noreply, look(%{state | retry: @first_retry})}
      {:shutdown, {:failed, error}} -> {:noreply, later(state, what, Exception.message(error))}
      reason -> {:noreply, later(state, what, Exception.format_exit(reason))}
    end
  end

  def handle_info(_message, state), do: {:noreply, state}

  defp note(state, _change, _now) when map_size(state.pending) >= @most_pending,
    do: %{state | everything?: true, pending: %{}}

  defp note(state, change, now) do
    due = if change.kinds == [:logged], do: now + state.settings.quiet, else: now
    latest = now + state.settings.longest

    pending =
      Map.update(state.pending, change.run_id, {due, latest}, fn
        {overdue, latest} when overdue <= now -> {overdue, latest}
        {_due, latest} -> {min(due, latest), latest}
      end)

    %{state | pending: pending}
  end

  # One look at a time, and none while a failed one is waited for.
  defp look(%{looking: looking} = state) when looking != nil, do: state
  defp look(%{timer: {:retry, _}} = state), do: state
  defp look(%{everything?: true} = state), do: begin(%{state | everything?: false}, :everything)

  defp look(state) do
    now = now()
    due = for {run_id, {due, _}} <- state.pending, due <= now, do: run_id

    case Enum.take(due, @most_at_once) do
      [] -> await_next(state, now)
      ids -> begin(%{state | pending: Map.drop(state.pending, ids)}, ids)
    end
  end

  defp begin(state, what) do
    %{server: server, settings: settings} = state

    {_pid, reference} =
      spawn_monitor(fn ->
        case Linking.bring(server, what, settings) do
          :ok -> exit({:shutdown, :done})
          {:error, error} -> exit({:shutdown, {:failed, error}})
        end
      end)

    %{state | looking: {reference, what}}
  end

  defp await_next(%{pending: pending} = state, _now) when pending == %{}, do: state

  defp await_next(state, now) do
    next = state.pending |> Enum.map(fn {_, {due, _}} -> due end) |> Enum.min()
    set_timer(state, make_ref(), next - now)
  end

  defp later(state, what, reason) do
    Logger.warning(
      "the runs of #{inspect(state.server)} are not brought to the trials of " <>
        "#{inspect(state.settings.instance)} for now: #{reason}"
    )

    %{again(state, what) | retry: min(state.retry * 2, @longest_retry)}
    |> set_timer({:retry, make_ref()}, state.retry)
  end

  defp again(state, :everything), do: %{state | everything?: true}

  defp again(state, ids) do
    now = now()
    failed = Map.new(ids, &{&1, {now, now}})
    %{state | pending: Map.merge(failed, state.pending)}
  end

  defp set_timer(state, timer, ms) do
    Process.send_after(self(), {:look, timer}, ms)
    %{state | timer: timer}
  end

  defp now, do: System.monotonic_time(:millisecond)
end
