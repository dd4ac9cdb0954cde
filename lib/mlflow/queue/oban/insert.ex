if Code.ensure_loaded?(Oban) and Code.ensure_loaded?(Ecto.Query) do
  defmodule MLflow.Queue.Oban.Insert do
    @moduledoc false
    # How jobs enter the table: one as Oban does it, many in few statements. Oban's `insert_all` takes
    # no account of what waits already, so that is asked first: one query and one insert per chunk.

    import Ecto.Query, only: [where: 3]

    alias Ecto.Changeset
    alias MLflow.Queue.Oban.Jobs
    alias Oban.{Config, Engines, Job}

    # A row takes 12 parameters. PostgreSQL allows 65,535 in a statement, SQLite 32,766.
    @chunk 1_000
    # ms, as Ecto allows a statement; it counts them for the transaction as a whole.
    @chunk_timeout 15_000

    @type option :: {:unique?, boolean} | {:sooner?, boolean}

    @doc """
    Adds all of the jobs or none, and answers one for each, in their order.

    Options: `unique?:`, whether an equal job that waits, or comes earlier in the list, stands for a
    new one, as its conflict; `sooner?:`, whether it is moved to the new one's time if that is sooner.
    """
    @spec insert(Config.t(), [Changeset.t(), ...], [option]) :: {:ok, [Job.t()]} | {:error, term}
    def insert(conf, [changeset], opts) do
      with {:ok, job} <- Oban.insert(conf.name, changeset) do
        {:ok, if(job.conflict?, do: sooner([job], conf, changeset, opts), else: [job])}
      end
    end

    def insert(conf, changesets, opts) do
      fun = fn -> insert_all(conf, changesets, opts) end

      # Where Oban runs jobs as they come, there may be no table at all.
      if inline?(conf), do: {:ok, fun.()}, else: transaction(conf, fun, length(changesets))
    end

    # Once: a second try within the caller's own transaction would only hide why that is over, and
    # the caller hears of the error. (`retry: false` is for ever in some versions of Oban.)
    defp transaction(conf, fun, count) do
      timeout = @chunk_timeout * (div(count, @chunk) + 1)
      Oban.Repo.transaction(conf, fun, retry: 1, expected_retry: 1, timeout: timeout)
    end

    defp inline?(conf), do: Config.get_engine(conf) == Engines.Inline

    defp insert_all(conf, changesets, opts) do
      chunks = Enum.chunk_every(changesets, @chunk)

      if opts[:unique?] do
        {jobs, _known} = Enum.flat_map_reduce(chunks, %{}, &insert_unique(conf, &1, &2, opts))
        jobs
      else
        Enum.flat_map(chunks, &Oban.insert_all(conf.name, &1))
      end
    end

    # `known` are the jobs that stand for new ones, by their args.
    defp insert_unique(conf, changesets, known, opts) do
      known = Map.merge(waiting(conf, changesets, opts), known)

      new = changesets |> Enum.reject(&is_map_key(known, args(&1))) |> Enum.uniq_by(&args/1)
      added = by_args(if new == [], do: [], else: Oban.insert_all(conf.name, new))
      known = Map.merge(known, added)

      {jobs, _} =
        Enum.map_reduce(changesets, added, fn changeset, added ->
          case Map.pop(added, args(changeset)) do
            {nil, added} -> {%{Map.fetch!(known, args(changeset)) | conflict?: true}, added}
            {job, added} -> {job, added}
          end
        end)

      {jobs, known}
    end

    defp waiting(conf, [changeset | _] = changesets, opts) do
      if inline?(conf) do
        %{}
      else
        worker = Changeset.get_field(changeset, :worker)
        args = changesets |> Enum.map(&args/1) |> Enum.uniq()

        # Planned anew each time: PostgreSQL hashes a list that it can see, and searches through one
        # that a plan is to hold for any.
        query = Jobs.waiting_with(conf, worker, args)
        found = conf |> Oban.Repo.all(query, prepare: :unnamed) |> by_args()
        found |> Map.take(args) |> Map.values() |> sooner(conf, changeset, opts) |> by_args()
      end
    end

    # A job that was attempted waits for a reason: the server may have asked for it.
    defp sooner(jobs, conf, changeset, opts) do
      at = Changeset.get_field(changeset, :scheduled_at) || DateTime.utc_now()
      late? = fn job -> opts[:sooner?] and untried?(job) and later?(job.scheduled_at, at) end

      case for job <- jobs, late?.(job), do: job.id do
        [] ->
          jobs

        ids ->
          query = where(Job, [job], job.id in ^ids and job.state == "scheduled")
          Oban.Repo.update_all(conf, query, set: [scheduled_at: at])
          Enum.map(jobs, &if(late?.(&1), do: %{&1 | scheduled_at: at}, else: &1))
      end
    end

    # Without an id, another transaction is about to add it.
    defp untried?(%Job{id: id, state: state, attempt: attempt}),
      do: id != nil and state == "scheduled" and attempt == 0

    defp later?(one, other), do: DateTime.compare(one, other) == :gt

    defp args(changeset), do: Changeset.get_field(changeset, :args)
    defp by_args(jobs), do: Map.new(jobs, &{&1.args, &1})
  end
end
