defmodule MLflow.Queue.Embedded do
  @moduledoc """
  The default queue: durable jobs in the embedded store's file.

  Jobs run by priority, then age, at most `concurrency` at once, and never two for the same trial.
  A running job is leased; when its process, or the whole VM, dies, the job is rescued and run
  again. A job that finished is kept for `job_retention` seconds.
  """

  @behaviour MLflow.Queue

  use GenServer
  require Logger

  alias MLflow.{Error, Instance, Job, SyncWorker}
  alias MLflow.Queue.{Backoff, Spread}
  alias MLflow.Store.Embedded, as: Store

  # A lease is renewed at a third of its length, so that two lost renewals do not lose the job.
  @lease 15_000
  @renew_every 5_000
  # Another process on the same file enqueues without our hearing of it.
  @poll_every 1_000
  @prune_every 3_600_000
  # How long a stopping queue lets running jobs finish before it puts them back.
  @grace 5_000

  # The behaviour

  @impl MLflow.Queue
  def children(config) do
    [
      {Task.Supervisor, name: tasks(config.name)},
      %{
        id: __MODULE__,
        start: {__MODULE__, :start_link, [config]},
        shutdown: @grace + 1_000
      }
    ]
  end

  @impl MLflow.Queue
  def enqueue(instance, new_jobs, opts) do
    delays = Spread.delays(length(new_jobs), opts)
    rows = Enum.zip_with(new_jobs, delays, &new_job(instance, &1, &2, opts))

    with {:ok, inserted} <- Store.call_large(instance, {:insert_jobs, rows}) do
      notify(instance)
      {:ok, for({row, conflict?} <- inserted, do: %{Job.load(row) | conflict?: conflict?})}
    end
  end

  @impl MLflow.Queue
  def await(instance, %Job{id: id}, opts) do
    timeout = Keyword.get(opts, :timeout, 60_000)
    GenServer.call(server(instance.name), {:await, id}, timeout)
  catch
    :exit, {:timeout, _} ->
      {:error, Error.new(:timeout, "await", "job #{id} is not finished yet", retryable: true)}

    :exit, _reason ->
      message = "the queue stopped while job #{id} was waited for; the job itself is kept"
      {:error, Error.new(:canceled, "await", message, retryable: true)}
  end

  @impl MLflow.Queue
  def list(instance, opts) do
    filter = %{
      instance: Atom.to_string(instance.name),
      states: opts[:state] |> List.wrap() |> Enum.map(&state_name!/1),
      action: opts[:action] && to_string(opts[:action]),
      limit: opts[:limit]
    }

    with {:ok, rows} <- Store.call(instance, {:list_jobs, filter}),
         do: {:ok, Enum.map(rows, &Job.load/1)}
  end

  @impl MLflow.Queue
  def cancel(instance, %Job{id: id}),
    do: changed(instance, {:cancel_waiting_job, id}, "job #{id} is not waiting")

  @impl MLflow.Queue
  def retry(instance, %Job{id: id}) do
    with {:ok, job} <-
           changed(
             instance,
             {:retry_job, id},
             "job #{id} is running or completed, or there is none"
           ) do
      notify(instance)
      {:ok, job}
    end
  end

  @impl MLflow.Queue
  def drain(instance, opts) do
    deadline = now() + Keyword.get(opts, :timeout, 60_000)
    drain_until(instance, deadline)
  end

  defp drain_until(instance, deadline) do
    with {:ok, counts} <- Store.call(instance, {:count_jobs, Atom.to_string(instance.name)}) do
      open =
        for {state, n} <- counts,
            state in ~w(available executing retryable),
            n > 0,
            do: {state, n}

      cond do
        open == [] ->
          :ok

        now() > deadline ->
          message = "jobs are left: #{Enum.map_join(open, ", ", fn {s, n} -> "#{n} #{s}" end)}"
          {:error, Error.new(:timeout, "drain", message, retryable: true)}

        true ->
          Process.sleep(20)
          drain_until(instance, deadline)
      end
    end
  end

  defp changed(instance, request, otherwise) do
    case Store.call(instance, request) do
      {:ok, nil} -> {:error, Error.new(:invalid, "queue", otherwise)}
      {:ok, row} -> {:ok, Job.load(row)}
      error -> error
    end
  end

  defp new_job(instance, job, delay, opts) do
    %{
      instance: Atom.to_string(instance.name),
      action: job.action,
      args: job.args,
      unique_key: job.unique,
      lock_key: job.lock,
      priority: priority!(Keyword.get(opts, :priority, 2)),
      max_attempts: Keyword.get(opts, :max_attempts, instance.config.max_attempts),
      scheduled_at: opts |> scheduled_at() |> later(delay)
    }
  end

  defp priority!(priority) when priority in 0..9, do: priority

  defp priority!(other),
    do: raise(ArgumentError, ":priority must be 0 (first) to 9 (last), got #{inspect(other)}")

  defp scheduled_at(opts) do
    case {opts[:scheduled_at], opts[:schedule_in]} do
      {nil, nil} ->
        nil

      {nil, seconds} when is_integer(seconds) ->
        MLflow.Metric.now() + seconds * 1_000

      {nil, other} ->
        raise ArgumentError, ":schedule_in must be whole seconds, got #{inspect(other)}"

      {time, _} ->
        MLflow.Value.milliseconds(time)
    end
  end

  defp later(at, 0), do: at
  defp later(at, delay), do: (at || MLflow.Metric.now()) + delay

  defp state_name!(state) do
    state in Job.states() ||
      raise ArgumentError,
            "a job's state is one of #{inspect(Job.states())}, got #{inspect(state)}"

    Atom.to_string(state)
  end

  defp notify(instance), do: GenServer.cast(server(instance.name), :work)

  # The process

  # `unwritten` are outcomes, oldest first, that the store could not take yet.
  defstruct [
    :instance,
    :owner,
    :wakeup,
    running: %{},
    unwritten: [],
    waiting: %{},
    stopping?: false
  ]

  @doc false
  def start_link(config) do
    GenServer.start_link(__MODULE__, config, name: server(config.name))
  end

  defp server(name), do: {:via, Registry, {MLflow.Registry, {__MODULE__, name}}}
  defp tasks(name), do: {:via, Registry, {MLflow.Registry, {Task.Supervisor, name}}}

  @impl GenServer
  def init(config) do
    Process.flag(:trap_exit, true)

    with {:ok, instance} <- Instance.fetch(name: config.name) do
      :timer.send_interval(@renew_every, :renew)
      :timer.send_interval(@prune_every, :prune)
      send(self(), :prune)

      {:ok, rescue_jobs(%__MODULE__{instance: instance, owner: MLflow.Native.owner()}),
       {:continue, :work}}
    else
      {:error, error} -> {:stop, error}
    end
  end

  @impl GenServer
  def handle_continue(:work, state), do: {:noreply, work(state)}

  @impl GenServer
  def handle_cast(:work, state), do: {:noreply, work(state)}

  @impl GenServer
  def handle_call({:await, id}, from, state) do
    case Store.call(state.instance, {:get_job, id}) do
      {:ok, nil} ->
        {:reply, {:error, Error.new(:not_found, "await", "there is no job #{id}")}, state}

      {:ok, row} ->
        {:noreply, answer_or_keep(Job.load(row), from, state)}

      error ->
        {:reply, error, state}
    end
  end

  @impl GenServer
  # A job's task ended with a verdict.
  def handle_info({ref, verdict}, %{running: running} = state) when is_map_key(running, ref) do
    Process.demonitor(ref, [:flush])
    {:noreply, state |> finish(ref, verdict) |> work()}
  end

  # A job's task died without one.
  def handle_info({:DOWN, ref, :process, _pid, reason}, %{running: running} = state)
      when is_map_key(running, ref) do
    error = Error.new(:crashed, "job", Exception.format_exit(reason), retryable: true)
    {:noreply, state |> finish(ref, {:error, error}) |> work()}
  end

  def handle_info(:wakeup, state), do: {:noreply, work(%{state | wakeup: nil})}

  # Without a renewal our own leases may have run out, and rescuing would run our jobs twice.
  def handle_info(:renew, state) do
    case renew(state) do
      {:ok, _} -> {:noreply, state |> rescue_jobs() |> check_waiting() |> work()}
      error -> log_failure(error) && {:noreply, alarm_in(state, @poll_every)}
    end
  end

  def handle_info(:prune, state) do
    before = MLflow.Metric.now() - state.instance.config.job_retention * 1_000
    log_failure(Store.call(state.instance, {:prune_jobs, name(state), before}))
    {:noreply, state}
  end

  def handle_info(_other, state), do: {:noreply, state}

  @impl GenServer
  # Running jobs get a moment to finish; the rest goes back to wait, its attempt not counted.
  def terminate(_reason, state) do
    deadline = now() + @grace
    state = %{state | stopping?: true} |> settle(deadline) |> write_outcomes()
    for {_ref, {_job, pid}} <- state.running, do: Process.exit(pid, :kill)
    log_failure(Store.call(state.instance, {:release_jobs, state.owner}))
  end

  defp settle(%{running: running} = state, _deadline) when running == %{}, do: state

  defp settle(state, deadline) do
    receive do
      {ref, verdict} when is_map_key(state.running, ref) ->
        Process.demonitor(ref, [:flush])
        state |> finish(ref, verdict) |> settle(deadline)

      {:DOWN, ref, :process, _pid, _reason} when is_map_key(state.running, ref) ->
        settle(%{state | running: Map.delete(state.running, ref)}, deadline)
    after
      max(deadline - now(), 0) -> state
    end
  end

  # While outcomes cannot be written, no further job could be, either.
  defp work(state) do
    case write_outcomes(state) do
      %{unwritten: []} = state -> fetch(state)
      state -> alarm_in(state, @poll_every)
    end
  end

  # Takes as many due jobs as there is room for, and sets the alarm for the next one.
  defp fetch(state) do
    room = state.instance.config.concurrency - map_size(state.running)

    with true <- room > 0,
         {:ok, rows} <-
           Store.call(state.instance, {:fetch_jobs, name(state), state.owner, room, @lease}) do
      rows |> Enum.map(&Job.load/1) |> Enum.reduce(state, &start/2) |> set_alarm()
    else
      false ->
        state

      error ->
        log_failure(error)
        alarm_in(state, @poll_every)
    end
  end

  defp start(job, state) do
    instance = state.instance

    task =
      Task.Supervisor.async_nolink(tasks(instance.name), fn ->
        MLflow.Telemetry.span(:job, %{name: instance.name, job: job}, fn ->
          SyncWorker.run(instance, Map.put(job.args, "action", job.action))
        end)
      end)

    %{state | running: Map.put(state.running, task.ref, {job, task.pid})}
  end

  defp finish(state, ref, verdict) do
    {{job, _pid}, running} = Map.pop!(state.running, ref)
    outcome = {job.id, outcome(job, state.owner, verdict)}
    %{state | running: running, unwritten: state.unwritten ++ [outcome]}
  end

  # What cannot be written now is kept, and its lease with it, until it can; if this process dies
  # before, the lease runs out, and the job is run again, which is harmless.
  defp write_outcomes(%{unwritten: []} = state), do: state

  defp write_outcomes(%{unwritten: [{_id, request} | others]} = state) do
    case Store.call(state.instance, request) do
      # The lease was lost meanwhile, and somebody else has the job now.
      {:ok, nil} ->
        write_outcomes(%{state | unwritten: others})

      {:ok, row} ->
        write_outcomes(row |> Job.load() |> tell_waiting(%{state | unwritten: others}))

      {:error, %Error{retryable: true}} = error ->
        log_failure(error) && state

      error ->
        log_failure(error) && write_outcomes(%{state | unwritten: others})
    end
  end

  # Only of the jobs that are ours to end: any other that has our name runs out of its lease.
  defp renew(state) do
    running = for {_ref, {job, _pid}} <- state.running, do: job.id
    unwritten = for {id, _outcome} <- state.unwritten, do: id

    case running ++ unwritten do
      [] -> {:ok, 0}
      ids -> Store.call(state.instance, {:renew_jobs, state.owner, ids, @lease})
    end
  end

  defp outcome(job, owner, {:ok, result}), do: {:complete_job, job.id, owner, result}
  defp outcome(job, owner, {:cancel, error}), do: {:cancel_job, job.id, owner, reason(error)}

  defp outcome(job, owner, {:snooze, seconds, error}),
    do: {:snooze_job, job.id, owner, reason(error), MLflow.Metric.now() + seconds * 1_000}

  defp outcome(job, owner, {:error, error}) do
    retry_at = MLflow.Metric.now() + Backoff.delay(job.attempt)
    {:fail_job, job.id, owner, reason(error), retry_at}
  end

  defp reason(%Error{} = error),
    do: %{kind: Atom.to_string(error.kind), message: Exception.message(error)}

  defp set_alarm(state) do
    case Store.call(state.instance, {:next_due_job, name(state)}) do
      {:ok, nil} -> alarm_in(state, @poll_every)
      {:ok, at} -> alarm_in(state, (at - MLflow.Metric.now()) |> max(10) |> min(@poll_every))
      error -> log_failure(error) && alarm_in(state, @poll_every)
    end
  end

  defp alarm_in(state, ms) do
    if state.wakeup, do: Process.cancel_timer(state.wakeup)
    %{state | wakeup: Process.send_after(self(), :wakeup, ms)}
  end

  defp rescue_jobs(state) do
    log_failure(Store.call(state.instance, {:rescue_jobs, name(state)}))
    state
  end

  defp answer_or_keep(job, from, state) do
    if Job.finished?(job) do
      GenServer.reply(from, {:ok, job})
      state
    else
      %{state | waiting: Map.update(state.waiting, job.id, [from], &[from | &1])}
    end
  end

  defp tell_waiting(job, state) do
    if Job.finished?(job) do
      {callers, waiting} = Map.pop(state.waiting, job.id, [])
      Enum.each(callers, &GenServer.reply(&1, {:ok, job}))
      %{state | waiting: waiting}
    else
      state
    end
  end

  # A job that somebody waits for may have been finished by another process on the same file.
  defp check_waiting(state) do
    Enum.reduce(Map.keys(state.waiting), state, fn id, state ->
      case Store.call(state.instance, {:get_job, id}) do
        {:ok, row} when row != nil -> row |> Job.load() |> tell_waiting(state)
        _ -> state
      end
    end)
  end

  defp log_failure({:error, error}),
    do: Logger.error("MLflow's job queue could not use its store: #{Exception.message(error)}")

  defp log_failure(_), do: :ok

  defp name(state), do: Atom.to_string(state.instance.name)
  defp now, do: System.monotonic_time(:millisecond)
end
