if Code.ensure_loaded?(Oban) and Code.ensure_loaded?(Ecto.Query) do
  defmodule MLflow.Queue.Oban do
    @moduledoc """
    Puts the sync jobs into an application's Oban, as jobs of `MLflow.SyncWorker`.

    For applications whose jobs are in Oban already, and for those that run on several machines:

        config :my_app, Oban, repo: MyApp.Repo, queues: [mlflow_sync: 4]
        config :mlflow_sync, queue: MLflow.Queue.Oban

        # or, for an instance in a supervision tree; start it before Oban
        {MLflow, name: MyApp.MLflow, queue: {MLflow.Queue.Oban, oban: MyApp.Oban, queue: :tracking}}

    | option | default | |
    |---|---|---|
    | `oban:` | `Oban` | the name of the Oban instance; several of ours may use several of Oban's, or one with different queues |
    | `queue:` | the worker's, `:mlflow_sync` | the queue within it |
    | `worker:` | `MLflow.SyncWorker` | whose jobs they are; another module with `use MLflow.SyncWorker` |

    How many jobs run at once, and how long they are kept, is said to Oban (the queue's limit,
    `Oban.Plugins.Pruner`); `concurrency` still limits the requests within one experiment's sync, and
    `job_retention` does nothing here. `Oban.Plugins.Lifeline` rescues the jobs of a node that died.

    ## Enqueueing

    `MLflow.SyncWorker`'s functions answer `{:ok, %Oban.Job{}}` and take every option of `Oban.Job.new/2`
    (`schedule_in: {5, :minutes}`, `queue:`, `tags:`, `meta:`, `replace:`, `unique:`, …). Within the
    application's `Repo.transaction/1` they are part of it. `MLflow.SyncWorker.new_job/3` makes the
    changeset for an `Ecto.Multi`.

    While a job waits, an equal one is not added: the waiting one comes back with `conflict?: true`,
    moved to the new one's time if that is sooner and it was not attempted yet. `unique: false` adds one
    in any case. A list is added in chunks, with one query for what waits and one insert each; `replace:`
    and other options of `unique:` are for one job, and change nothing for a list. Two processes that
    add one list at the same time may both add a job; the second to run finds nothing left to do.

    Oban does not wait for a transaction that is adding the equal job at that moment: what comes back
    then is `conflict?: true` without an id. Should that transaction roll back, there is no job, and the
    periodic sync finds the trial.

    ## What Oban shows

    A job has the tags `"mlflow"` and its action, and in its `meta`
    `%{"mlflow" => %{"instance" => "MLflow", "target" => "t1"}}`, for Oban Web and for Oban's own events.
    The `:result` of a `[:oban, :job, :stop]` event is `{:ok, report}` with the report that
    `MLflow.Sync` describes. `[:mlflow, :job, …]` events are sent too, see `MLflow.Telemetry`.

    A job keeps no report. One that is snoozed, because the server asked for it, leaves no error either:
    its attempts are in `MLflow.history/1`.

    ## Databases

    Tested on PostgreSQL and on SQLite (`Oban.Engines.Lite`). The statements for MySQL
    (`Oban.Engines.Dolphin`) are written but untested; there, jobs of a list come back without ids, for
    Oban inserts them so.
    """

    @behaviour MLflow.Queue

    alias Ecto.Changeset
    alias MLflow.{Config, Error, Instance}
    alias MLflow.Queue.Oban.{Database, Insert, Jobs, Options, Worker}
    alias MLflow.Queue.Spread
    alias Oban.Job

    # Between two looks at a job that is waited for: few at first, for most jobs are short.
    @first_look 20
    @longest_look 500

    # What is said to us, and not to Oban.
    @ours [:name, :spread, :model_run_id]

    # Oban's, for a mistaken one to be told the nearest.
    @options ~w(max_attempts meta priority queue replace schedule_in scheduled_at spread tags
                unique worker)a

    @finished ~w(completed cancelled discarded)
    @open ~w(available executing retryable)

    @impl MLflow.Queue
    def children(%Config{queue_options: options}) do
      Options.new!(options)
      []
    end

    @impl MLflow.Queue
    def enqueue(%Instance{config: config} = instance, jobs, opts) do
      delays = Spread.delays(length(jobs), opts)

      with :ok <- storable(jobs),
           {:ok, conf} <- conf(instance) do
        make = changesets(config, opts)
        changesets = Enum.zip_with(jobs, delays, &(&1 |> make.() |> later(&2)))

        Database.ask("enqueue", fn ->
          Insert.insert(conf, changesets,
            unique?: Keyword.get(opts, :unique, true) not in [nil, false],
            sooner?: opts[:spread] in [nil, 0] and opts[:replace] == nil
          )
        end)
      end
    end

    @doc false
    # For `MLflow.SyncWorker.new_job/3`: an instance that does not run, or is no user of Oban, must
    # not fail the transaction that the job is part of.
    @spec new_job(MLflow.Queue.new(), keyword) :: Changeset.t()
    def new_job(job, opts) do
      config =
        case Instance.fetch(opts) do
          {:ok, %Instance{config: %Config{queue: __MODULE__} = config}} -> config
          _other -> %Config{name: Keyword.get(opts, :name, MLflow), queue_options: []}
        end

      # An invalid changeset would be told by Oban as a bare `:rollback`.
      with {:error, error} <- storable([job]), do: raise(ArgumentError, error.message)
      changesets(config, opts).(job)
    end

    # What makes the changeset of a job.
    defp changesets(%Config{} = config, opts) do
      options = Options.new!(config.queue_options)
      {worker, opts} = Keyword.pop(opts, :worker, options.worker)
      defaults = for {key, value} <- defaults(config, options), value != nil, do: {key, value}
      opts = Keyword.merge(defaults, Keyword.drop(opts, @ours))

      fn job -> config |> wire_args(job) |> worker.new(opts) |> valid!(opts) end
    end

    # Where nothing is said, the worker has defaults of its own.
    defp defaults(config, options),
      do: [max_attempts: config.max_attempts, queue: options.queue]

    # What is not there is not said, so that jobs compare equal.
    defp wire_args(config, job) do
      args = for {key, value} <- job.args, value != nil, into: %{}, do: {key, value}
      args = Map.put(args, "action", job.action)
      Map.put(args, "instance", config.name)
    end

    defp later(changeset, 0), do: changeset

    defp later(changeset, delay) do
      at = Changeset.get_field(changeset, :scheduled_at) || DateTime.utc_now()
      at = DateTime.add(at, delay, :millisecond)
      Changeset.change(changeset, scheduled_at: at, state: "scheduled")
    end

    defp valid!(%Changeset{valid?: true} = changeset, _opts), do: changeset

    defp valid!(%Changeset{errors: errors, params: params}, opts) do
      told =
        Enum.map_join(errors, "; ", fn
          {:base, {message, _details}} -> message <> unknown(opts)
          {key, error} -> told(key, error, params["#{key}"])
        end)

      raise ArgumentError, "no such job can be queued: #{told}"
    end

    defp unknown(opts) do
      nearest = fn key -> Enum.max_by(@options, &String.jaro_distance("#{&1}", "#{key}")) end

      for {key, _value} <- opts, key not in @options, into: "" do
        "; did you mean #{inspect(nearest.(key))}?"
      end
    end

    defp told(key, {message, details}, given) do
      filled =
        Enum.reduce(details, message, fn {name, value}, message ->
          String.replace(message, "%{#{name}}", fn _ -> inspect(value) end)
        end)

      ":#{key} #{filled}, got #{inspect(given)}"
    end

    # A PostgreSQL text holds anything but NUL, and its error would say less.
    defp storable(jobs) do
      text? = &(String.valid?(&1) and not String.contains?(&1, <<0>>))

      case Enum.find(jobs, fn job -> not Enum.all?(texts(job), text?) end) do
        nil ->
          :ok

        job ->
          message = "the args of #{job.action} hold what is no text: #{inspect(job.args)}"
          {:error, Error.new(:invalid, "enqueue", message)}
      end
    end

    defp texts(job), do: for({_key, value} <- job.args, is_binary(value), do: value)

    @impl MLflow.Queue
    # What Oban ran at once has no row.
    def await(_instance, %Job{id: nil, state: state} = job, _opts) when state in @finished,
      do: {:ok, job}

    def await(_instance, %Job{id: nil}, _opts), do: {:error, without_id("await")}

    def await(instance, %Job{id: id}, opts) do
      deadline = now() + Keyword.get(opts, :timeout, 60_000)
      with {:ok, conf} <- conf(instance), do: look(conf, id, deadline, @first_look)
    end

    defp look(conf, id, deadline, pause) do
      with {:ok, job} <- fetch(conf, id) do
        cond do
          job.state in @finished ->
            {:ok, job}

          now() >= deadline ->
            message = "job #{id} is not finished yet: #{job.state}"
            {:error, Error.new(:timeout, "await", message, retryable: true)}

          true ->
            Process.sleep(pause |> min(deadline - now()) |> max(0))
            look(conf, id, deadline, min(pause * 2, @longest_look))
        end
      end
    end

    defp without_id(operation) do
      message = "this job has no id: another transaction is adding the equal one that waits"
      Error.new(:not_found, operation, message)
    end

    @impl MLflow.Queue
    def list(instance, opts) do
      states = opts[:state] |> List.wrap() |> Enum.map(&state_name!/1)
      action = opts[:action] && to_string(opts[:action])

      with {:ok, conf} <- conf(instance) do
        query = conf |> Jobs.of_instance(instance, options(instance))
        query = query |> Jobs.only(conf, states, action) |> Jobs.newest_first(opts[:limit])
        Database.ask("list", fn -> {:ok, Oban.Repo.all(conf, query)} end)
      end
    end

    @impl MLflow.Queue
    def cancel(_instance, %Job{id: nil}), do: {:error, without_id("cancel")}

    def cancel(instance, %Job{id: id}) do
      with {:ok, conf} <- conf(instance) do
        Database.ask("cancel", fn ->
          case Oban.cancel_all_jobs(conf.name, Jobs.by_id(id, Worker.waiting())) do
            {:ok, 0} -> {:error, Error.new(:invalid, "queue", "job #{id} is not waiting")}
            {:ok, _one} -> fetch(conf, id)
          end
        end)
      end
    end

    @impl MLflow.Queue
    def retry(_instance, %Job{id: nil}), do: {:error, without_id("retry")}

    def retry(instance, %Job{id: id}) do
      with {:ok, conf} <- conf(instance) do
        Database.ask("retry", fn ->
          with {:ok, job} <- fetch(conf, id),
               :ok <- startable(job),
               :ok <- without_twin(conf, job),
               {:ok, _count} <- Oban.retry_all_jobs(conf.name, Jobs.by_id(id, startable())),
               do: fetch(conf, id)
        end)
      end
    end

    defp startable, do: Worker.waiting() ++ ~w(cancelled discarded)

    defp startable(%Job{id: id, state: state}) do
      if state in startable(),
        do: :ok,
        else: {:error, Error.new(:invalid, "queue", "job #{id} is #{state}")}
    end

    defp without_twin(conf, job) do
      twins = Oban.Repo.all(conf, Jobs.waiting_twins(conf, job))

      case Enum.find(twins, &(&1.args == job.args)) do
        nil ->
          :ok

        twin ->
          message = "job #{twin.id} waits to do the same: retry that one instead"
          {:error, Error.new(:already_exists, "queue", message)}
      end
    end

    @impl MLflow.Queue
    def drain(instance, opts) do
      deadline = now() + Keyword.get(opts, :timeout, 60_000)
      drain_until(instance, deadline, @first_look)
    end

    defp drain_until(instance, deadline, pause) do
      with {:ok, counts} <- counts(instance, @open ++ ["scheduled"]) do
        case Enum.filter(counts, &open?/1) do
          [] ->
            :ok

          open ->
            if now() >= deadline do
              left =
                Enum.map_join(open, ", ", fn {state, {count, _at}} -> "#{count} #{state}" end)

              {:error, Error.new(:timeout, "drain", "jobs are left: #{left}", retryable: true)}
            else
              Process.sleep(pause)
              drain_until(instance, deadline, min(pause * 2, @longest_look))
            end
        end
      end
    end

    defp open?({state, _}) when state in @open, do: true

    # What is due is staged within a second.
    defp open?({"scheduled", {_count, first}}),
      do: DateTime.compare(first, DateTime.utc_now()) != :gt

    defp open?(_other), do: false

    @doc false
    # By state (of these, or any), how many jobs there are and when the first of them is due.
    @spec counts(Instance.t(), [String.t()]) ::
            {:ok, %{String.t() => {pos_integer, DateTime.t()}}} | {:error, Error.t()}
    def counts(instance, states \\ []) do
      with {:ok, conf} <- conf(instance) do
        query = Jobs.of_instance(conf, instance, options(instance))
        query = query |> Jobs.only(conf, states, nil) |> Jobs.counts()

        Database.ask("count", fn ->
          {:ok, Map.new(Oban.Repo.all(conf, query), fn {state, n, at} -> {state, {n, at}} end)}
        end)
      end
    end

    defp fetch(conf, id) do
      Database.ask("queue", fn ->
        case Oban.Repo.get(conf, Job, id) do
          nil -> {:error, Error.new(:not_found, "queue", "there is no job #{id}")}
          job -> {:ok, job}
        end
      end)
    end

    defp state_name!(state) do
      Enum.find(Job.states(), &(state in [&1, Atom.to_string(&1)])) ||
        raise ArgumentError,
              "a job's state is one of #{inspect(Job.states())}, got #{inspect(state)}"

      to_string(state)
    end

    defp conf(instance), do: Database.conf(options(instance).oban)
    defp options(%Instance{config: config}), do: Options.new!(config.queue_options)
    defp now, do: System.monotonic_time(:millisecond)
  end
end
