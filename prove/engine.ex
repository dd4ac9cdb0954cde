defmodule Prove.Engine do
  @moduledoc """
  An instance for a proof, in this VM or in one that is to be killed, and what became of its jobs.
  """

  alias MLflow.SyncWorker

  @open [:available, :executing, :retryable, :scheduled]
  @given_up [:discarded, :cancelled]

  # Faults come often, and a proof has not got all day: shorter waits than a patient application's,
  # and no round of the scheduler, which would mend what is to be seen.
  @hasty [
    sync_interval: 0,
    request_timeout: 2_000,
    total_timeout: 10_000,
    max_retries: 3,
    backoff_base: 50
  ]

  @doc "Starts an instance, and the application where it is not running."
  @spec start(keyword) :: {:ok, pid}
  def start(opts) do
    Application.put_env(:mlflow_sync, :default_instance, false)
    {:ok, _} = Application.ensure_all_started(:mlflow_sync)
    MLflow.start_link(Keyword.merge(@hasty, opts))
  end

  @doc """
  Elixir code for `MLflow.OsProcess`: starts an instance in a VM of its own, says `ready`, and goes
  on with `code`, in which `name` is the instance.
  """
  @spec program(keyword, String.t()) :: String.t()
  def program(opts, code) do
    """
    Logger.configure(level: :emergency)
    {:ok, _} = Prove.Engine.start(#{inspect(opts)})
    name = #{inspect(opts[:name])}
    IO.puts("ready")
    #{code}
    """
  end

  @doc "Waits until no job waits or runs, snoozed ones among them."
  @spec await_quiet(atom, pos_integer) :: :ok
  def await_quiet(name, timeout) do
    await("jobs are finished", timeout, fn ->
      SyncWorker.jobs(state: @open, limit: 1, name: name) == {:ok, []}
    end)
  end

  @doc "Waits until a condition holds, and raises if it does not in `timeout` ms."
  @spec await(String.t(), pos_integer, (() -> boolean)) :: :ok
  def await(what, timeout, condition) do
    poll(what, condition, System.monotonic_time(:millisecond) + timeout)
  end

  defp poll(what, condition, deadline) do
    cond do
      condition.() ->
        :ok

      System.monotonic_time(:millisecond) > deadline ->
        raise "gave up waiting until #{what}"

      true ->
        Process.sleep(20)
        poll(what, condition, deadline)
    end
  end

  @doc "Why trials were given up: trial id to the last error of the job."
  @spec excuses(atom) :: %{String.t() => String.t()}
  def excuses(name) do
    {:ok, jobs} = SyncWorker.jobs(state: @given_up, name: name)

    for %{args: %{"trial_id" => id}, errors: [_ | _] = errors} <- jobs,
        error = List.last(errors),
        # An equal job took its place.
        error["kind"] != "superseded",
        into: %{},
        do: {id, "#{error["kind"]}: #{error["message"]}"}
  end

  @doc "Runs the jobs that were given up again, as somebody would who has read why."
  @spec retry_given_up(atom) :: :ok
  def retry_given_up(name) do
    {:ok, jobs} = SyncWorker.jobs(state: @given_up, name: name)
    for job <- jobs, do: SyncWorker.retry(job, name: name)
    :ok
  end
end
