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
    # When everything is to be looked at, if it is; and what changed, each with the time to look at
    # it, and the latest such time.
    :everything,
    pending: %{},
    retry: @first_retry
  ]

  def start_link({server, settings}), do: GenServer.start_link(__MODULE__, {server, settings})

  @impl true
  def init({server, settings}) do
    News.subscribe(server)
    # What changed while nobody listened is looked at first.
    state = %__MODULE__{server: server, settings: settings, everything: now()}
    {:ok, state, {:continue, :look}}
  end

  @impl true
  def handle_continue(:look, state), do: {:noreply, look(state)}

  @impl true
  def handle_info({:mlflow_server, _server, :overflow}, state),
    do: {:noreply, state |> give_up_listing() |> look()}

  def handle_info({:mlflow_server, _server, %Change{} = change}, state) do
    now = now()
    state = note(state, change, now)
    # Where it is looked in time anyway, there is nothing to find out: this comes often.
    soon? = match?({_, at} when at <= now + state.settings.quiet, state.timer)
    {:noreply, if(change.kinds == [:logged] and soon?, do: state, else: look(state))}
  end

  def handle_info({:look, timer}, %{timer: {timer, _at}} = state),
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
    do: give_up_listing(state)

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

  defp give_up_listing(state), do: %{state | everything: now(), pending: %{}}

  # One look at a time.
  defp look(%{looking: looking} = state) when looking != nil, do: state

  defp look(state) do
    now = now()
    due = for {run_id, {due, _}} <- state.pending, due <= now, do: run_id

    cond do
      state.everything && state.everything <= now ->
        begin(%{state | everything: nil}, :everything)

      due != [] ->
        ids = Enum.take(due, @most_at_once)
        begin(%{state | pending: Map.drop(state.pending, ids)}, ids)

      true ->
        await_next(state, now)
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

  defp await_next(state, now) do
    case List.wrap(state.everything) ++ for({_, {due, _}} <- state.pending, do: due) do
      [] -> %{state | timer: nil}
      due -> set_timer(state, Enum.min(due), now)
    end
  end

  defp set_timer(state, at, now) do
    timer = make_ref()
    Process.send_after(self(), {:look, timer}, at - now)
    %{state | timer: {timer, at}}
  end

  defp later(state, what, reason) do
    Logger.warning(
      "the runs of #{inspect(state.server)} are not brought to the trials of " <>
        "#{inspect(state.settings.instance)} for now: #{reason}"
    )

    %{state | retry: min(state.retry * 2, @longest_retry)}
    |> again(what, now() + state.retry)
    |> look()
  end

  defp again(state, :everything, due), do: %{state | everything: due}

  defp again(state, ids, due) do
    failed = Map.new(ids, &{&1, {due, due}})
    %{state | pending: Map.merge(state.pending, failed)}
  end

  defp now, do: System.monotonic_time(:millisecond)
end
