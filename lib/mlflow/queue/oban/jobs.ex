if Code.ensure_loaded?(Oban) and Code.ensure_loaded?(Ecto.Query) do
  defmodule MLflow.Queue.Oban.Jobs do
    @moduledoc false
    # Queries of the job table, in the words that each of Oban's databases understands.

    import Ecto.Query

    alias MLflow.Instance
    alias MLflow.Queue.Oban.{Options, Worker}
    alias Oban.{Config, Job}

    @doc "The jobs of an instance, whichever of its workers they are for."
    @spec of_instance(Config.t(), Instance.t(), Options.t()) :: Ecto.Query.t()
    def of_instance(conf, %Instance{name: name}, %Options{worker: worker}) do
      workers = Enum.uniq([inspect(MLflow.SyncWorker), inspect(worker)])
      instance = if name == MLflow, do: nil, else: inspect(name)

      Job
      |> where([job], job.worker in ^workers)
      |> with_arg(conf, "instance", instance)
    end

    @doc "Of these, those in one of the states, for one action; `nil` and none are any."
    @spec only(Ecto.Query.t(), Config.t(), [String.t()], String.t() | nil) :: Ecto.Query.t()
    def only(query, conf, states, action) do
      query = if states == [], do: query, else: where(query, [job], job.state in ^states)
      if action, do: with_arg(query, conf, "action", action), else: query
    end

    @doc "The newest of them, at most `limit`, or all of them."
    @spec newest_first(Ecto.Query.t(), pos_integer | nil) :: Ecto.Query.t()
    def newest_first(query, limit) do
      query = order_by(query, [job], desc: job.id)
      if limit, do: limit(query, ^limit), else: query
    end

    @doc "A job, if it is in one of the states."
    @spec by_id(integer, [String.t()]) :: Ecto.Query.t()
    def by_id(id, states), do: where(Job, [job], job.id == ^id and job.state in ^states)

    @doc "Other jobs that wait to do what this one does; the caller compares their args."
    @spec waiting_twins(Config.t(), Job.t()) :: Ecto.Query.t()
    def waiting_twins(conf, %Job{} = job) do
      waiting()
      |> where([other], other.worker == ^job.worker and other.id != ^job.id)
      |> with_args(conf, [job.args])
    end

    @doc "The jobs that wait for this worker with one of these args, or with args that hold them."
    @spec waiting_with(Config.t(), String.t(), [map]) :: Ecto.Query.t()
    def waiting_with(conf, worker, args),
      do: waiting() |> where([job], job.worker == ^worker) |> with_args(conf, args)

    defp waiting, do: where(Job, [job], job.state in ^Worker.waiting())

    @doc "How many are in each state, and since when the first of those that wait is due."
    @spec counts(Ecto.Query.t()) :: Ecto.Query.t()
    def counts(query) do
      query
      |> group_by([job], job.state)
      |> select([job], {job.state, count(job.id), min(job.scheduled_at)})
    end

    # By equality, which PostgreSQL hashes while it goes through what waits: Oban's GIN index would
    # have it look for what all jobs have in common, a thousand times. SQLite compares the texts, all
    # of one encoder. MySQL does neither: there, more may be found than was asked for.
    defp with_args(query, conf, args) do
      if adapter(conf) == :mysql do
        for {key, values} <- values_by_key(args), reduce: query do
          query ->
            text = text(conf, key)
            where(query, ^dynamic([job], ^text in ^values))
        end
      else
        where(query, [job], job.args in ^args)
      end
    end

    defp values_by_key(args) do
      for args <- args, {key, value} <- args, is_binary(value), reduce: %{} do
        found -> Map.update(found, key, [value], &[value | &1])
      end
    end

    defp with_arg(query, conf, key, nil) do
      text = text(conf, key)
      where(query, ^dynamic([job], is_nil(^text)))
    end

    defp with_arg(query, conf, key, value) do
      text = text(conf, key)
      where(query, ^dynamic([job], ^text == ^value))
    end

    defp text(conf, key) do
      case adapter(conf) do
        :postgres ->
          dynamic([job], fragment("? ->> ?", job.args, type(^key, :string)))

        :sqlite ->
          dynamic([job], fragment("json_extract(?, ?)", job.args, ^"$.#{key}"))

        :mysql ->
          dynamic([job], fragment("JSON_UNQUOTE(JSON_EXTRACT(?, ?))", job.args, ^"$.#{key}"))
      end
    end

    defp adapter(%Config{repo: repo}) do
      case repo.__adapter__() do
        Ecto.Adapters.SQLite3 -> :sqlite
        Ecto.Adapters.MyXQL -> :mysql
        _postgres -> :postgres
      end
    end
  end
end
