defmodule MLflow.Client do
  @moduledoc """
  MLflow's tracking REST API, one function per call.

  Every function takes `name:` for the instance (default `MLflow`) and `total_timeout:` (ms, for
  the call with all its retries) among its last options, and returns `:ok`, `{:ok, value}` or
  `{:error, %MLflow.Error{}}`. Each has a variant with `!` that raises the error instead. The
  caller waits for the answer; the deadline is the engine's, which always answers.

  Keys may be atoms or strings. Params and tags may hold any value, which goes out as text (lists
  and maps as JSON). Metric values are numbers, `:nan`, `:infinity` or `:neg_infinity`.

      {:ok, %{experiment_id: id}} = MLflow.Client.create_experiment("iris")
      {:ok, run} = MLflow.Client.create_run(id, run_name: "first")
      :ok = MLflow.Client.log_batch(run.run_id, params: %{lr: 0.1}, metrics: [{:loss, 0.7, 1}])
      :ok = MLflow.Client.update_run(run.run_id, :finished)
  """

  alias MLflow.{Error, Experiment, Instance, Metric, Native, Run, Value}

  @type result :: :ok | {:error, Error.t()}
  @type result(value) :: {:ok, value} | {:error, Error.t()}

  @type limits :: %{
          profile: :mlflow | :databricks | :azure,
          batch: %{
            entities: pos_integer,
            metrics: pos_integer,
            params: pos_integer,
            tags: pos_integer,
            bytes: pos_integer
          },
          rate: float | nil,
          circuit: :closed | {:open, non_neg_integer},
          paused_for: non_neg_integer
        }

  # Experiments

  @doc """
  Creates an experiment. Options: `artifact_location:`, `tags:`. (`experiments/create`)

  An experiment of that name, even a deleted one, is an `:already_exists` error.
  """
  @spec create_experiment(String.t(), keyword) :: result(Experiment.t())
  def create_experiment(name, opts \\ []) do
    {location, tags} = {opts[:artifact_location], Value.pairs(opts[:tags] || [])}

    with {:ok, id} <- call({:create_experiment, name(name), location, tags}, opts) do
      {:ok,
       %Experiment{
         experiment_id: id,
         name: name,
         artifact_location: location,
         tags: Map.new(tags)
       }}
    end
  end

  @doc "Reads an experiment by id. (`experiments/get`)"
  @spec get_experiment(String.t() | integer, keyword) :: result(Experiment.t())
  def get_experiment(id, opts \\ []), do: call({:get_experiment, id(id)}, opts)

  @doc "Reads an experiment by name. (`experiments/get-by-name`)"
  @spec get_experiment_by_name(String.t(), keyword) :: result(Experiment.t())
  def get_experiment_by_name(name, opts \\ []),
    do: call({:get_experiment_by_name, name(name)}, opts)

  @doc """
  Experiments as a lazy stream over the server's pages. (`experiments/search`)

  Options: `filter:`, `order_by:`, `view_type:` (`:active_only`, `:deleted_only`, `:all`),
  `max_results:` per page. The stream raises `MLflow.Error` when a page cannot be read.
  """
  @spec search_experiments(keyword) :: Enumerable.t()
  def search_experiments(opts \\ []) do
    pages(opts, fn search -> call({:search_experiments, search}, opts) end)
  end

  @doc "Renames an experiment. (`experiments/update`)"
  @spec update_experiment(String.t() | integer, String.t(), keyword) :: result
  def update_experiment(id, new_name, opts \\ []),
    do: call({:update_experiment, id(id), name(new_name)}, opts)

  @doc "Deletes an experiment; it can be restored. (`experiments/delete`)"
  @spec delete_experiment(String.t() | integer, keyword) :: result
  def delete_experiment(id, opts \\ []), do: call({:delete_experiment, id(id)}, opts)

  @doc "Restores a deleted experiment. (`experiments/restore`)"
  @spec restore_experiment(String.t() | integer, keyword) :: result
  def restore_experiment(id, opts \\ []), do: call({:restore_experiment, id(id)}, opts)

  @doc "Sets a tag on an experiment. (`experiments/set-experiment-tag`)"
  @spec set_experiment_tag(String.t() | integer, atom | String.t(), term, keyword) :: result
  def set_experiment_tag(id, key, value, opts \\ []) do
    call({:set_experiment_tag, id(id), Value.key(key), Value.text(value)}, opts)
  end

  # Runs

  @doc """
  Creates a run in an experiment. (`runs/create`)

  Options: `run_name:`, `start_time:` (ms or `DateTime`; default now), `tags:`, `user_id:`. The
  call is never repeated once the server may have acted on it: a lost answer is an error
  (`:timeout`, `:connection_lost`), and not a second run.
  """
  @spec create_run(String.t() | integer, keyword) :: result(Run.t())
  def create_run(experiment_id, opts \\ []) do
    run = %{
      experiment_id: id(experiment_id),
      name: opts[:run_name],
      start_time: Value.milliseconds(opts[:start_time]) || Metric.now(),
      user_id: opts[:user_id],
      tags: Value.pairs(opts[:tags] || [])
    }

    call({:create_run, run}, opts)
  end

  @doc "Reads a run, with the latest point of each metric. (`runs/get`)"
  @spec get_run(String.t(), keyword) :: result(Run.t())
  def get_run(run_id, opts \\ []), do: call({:get_run, run_id(run_id)}, opts)

  @doc """
  Changes a run's status, end time or name. (`runs/update`)

  The change is a status, or a map or keyword list with `:status`, `:end_time` (ms or `DateTime`)
  and `:run_name`. An ended status without an end time ends now.

      MLflow.Client.update_run(run_id, :failed)
      MLflow.Client.update_run(run_id, run_name: "best so far")
  """
  @spec update_run(String.t(), Run.status() | map | keyword, keyword) :: result
  def update_run(run_id, change, opts \\ [])

  def update_run(run_id, status, opts) when is_atom(status) or is_binary(status),
    do: update_run(run_id, [status: status, end_time: opts[:end_time]], opts)

  def update_run(run_id, changes, opts) do
    changes = Map.new(changes)
    status = status!(changes[:status])
    ended = if Run.terminal?(status), do: Metric.now()

    update = %{
      status: status,
      end_time: Value.milliseconds(changes[:end_time]) || ended,
      name: changes[:run_name]
    }

    call({:update_run, run_id(run_id), update}, opts)
  end

  @doc "Deletes a run; it can be restored. (`runs/delete`)"
  @spec delete_run(String.t(), keyword) :: result
  def delete_run(run_id, opts \\ []), do: call({:delete_run, run_id(run_id)}, opts)

  @doc "Restores a deleted run. (`runs/restore`)"
  @spec restore_run(String.t(), keyword) :: result
  def restore_run(run_id, opts \\ []), do: call({:restore_run, run_id(run_id)}, opts)

  @doc """
  Runs of one or more experiments as a lazy stream over the server's pages. (`runs/search`)

  Options: `filter:` (MLflow's search grammar), `order_by:`, `view_type:` (`:active_only`,
  `:deleted_only`, `:all`), `max_results:` per page (1000; MLflow allows up to 50,000). Pages are
  by offset on the server, so a run that moves while one pages may come twice; it is passed on
  once. The stream raises `MLflow.Error` when a page cannot be read.

      MLflow.Client.search_runs("1", filter: "metrics.accuracy > 0.9") |> Enum.take(10)
  """
  @spec search_runs(String.t() | integer | [String.t() | integer], keyword) :: Enumerable.t()
  def search_runs(experiment_ids, opts \\ []) do
    ids = experiment_ids |> List.wrap() |> Enum.map(&id/1)

    pages(opts, fn search -> call({:search_runs, ids, search}, opts) end)
    |> Stream.uniq_by(& &1.run_id)
  end

  # Metrics, params and tags

  @doc """
  Logs one point of a metric. Options: `step:` (0), `timestamp:` (ms; now). (`runs/log-metric`)
  """
  @spec log_metric(String.t(), atom | String.t(), term, keyword) :: result
  def log_metric(run_id, key, value, opts \\ []) do
    with {:ok, [point]} <- Metric.points([{key, value}], opts) do
      call({:log_metric, run_id(run_id), point}, opts)
    end
  end

  @doc """
  Logs any number of points, in as few requests as MLflow's limits allow. (`runs/log-batch`)

  See `MLflow.Metric.points/2` for the shapes. Options: `step:`, `timestamp:` (ms).
  """
  @spec log_batch_metrics(String.t(), map | list, keyword) :: result
  def log_batch_metrics(run_id, metrics, opts \\ []),
    do: log_batch(run_id, [metrics: metrics], opts)

  @doc "Logs one param; MLflow never changes a param's value. (`runs/log-parameter`)"
  @spec log_param(String.t(), atom | String.t(), term, keyword) :: result
  def log_param(run_id, key, value, opts \\ []),
    do: call({:log_param, run_id(run_id), Value.key(key), Value.text(value)}, opts)

  @doc "Logs any number of params. (`runs/log-batch`)"
  @spec log_batch_params(String.t(), map | list, keyword) :: result
  def log_batch_params(run_id, params, opts \\ []), do: log_batch(run_id, [params: params], opts)

  @doc """
  Logs metrics, params and tags together. (`runs/log-batch`)

  Takes `metrics:`, `params:` and `tags:` in a map or keyword list, any number of each. They go
  out in the fewest requests that the server's limits allow (MLflow's are 1000 entities, 1000
  metrics, 100 params, 100 tags, 1 MB; see `limits/1`), params first, in order; equal duplicates collapse. Repeating the call is
  harmless when the points bring their timestamps.
  """
  @spec log_batch(String.t(), map | keyword, keyword) :: result
  def log_batch(run_id, entities, opts \\ []) do
    entities = Map.new(entities)

    with {:ok, points} <- Metric.points(entities[:metrics] || [], opts) do
      batch = %{
        metrics: points,
        params: Value.pairs(entities[:params] || []),
        tags: Value.pairs(entities[:tags] || [])
      }

      call({:log_batch, run_id(run_id), batch}, opts)
    end
  end

  @doc "Sets a tag on a run. (`runs/set-tag`)"
  @spec set_tag(String.t(), atom | String.t(), term, keyword) :: result
  def set_tag(run_id, key, value, opts \\ []),
    do: call({:set_tag, run_id(run_id), Value.key(key), Value.text(value)}, opts)

  @doc "Deletes a tag of a run. (`runs/delete-tag`)"
  @spec delete_tag(String.t(), atom | String.t(), keyword) :: result
  def delete_tag(run_id, key, opts \\ []),
    do: call({:delete_tag, run_id(run_id), Value.key(key)}, opts)

  @doc """
  A metric's whole series, all pages of it, oldest step first. (`metrics/get-history`)

  MLflow answers an empty series, and no error, for an unknown run or key.
  """
  @spec get_metric_history(String.t(), atom | String.t(), keyword) :: result([Metric.t()])
  def get_metric_history(run_id, key, opts \\ []) do
    with {:ok, points} <- call({:get_metric_history, run_id(run_id), Value.key(key)}, opts) do
      {:ok, Enum.sort_by(points, &{&1.step, &1.timestamp})}
    end
  end

  # The server

  @doc """
  Whether the server can really serve: it is up (`/health`), says its version (`/version`) and
  answers a query of its database with our credentials (`experiments/search`).
  """
  @spec health(keyword) :: result(%{version: String.t()})
  def health(opts \\ []) do
    with :ok <- call(:health, opts),
         {:ok, version} <- call(:version, opts),
         {:ok, _page} <- call({:search_experiments, search(max_results: 1)}, opts) do
      {:ok, %{version: version}}
    end
  end

  @doc "The server's MLflow version. (`/version`)"
  @spec version(keyword) :: result(String.t())
  def version(opts \\ []), do: call(:version, opts)

  @doc """
  Waits until the server can serve, for cold starts, asking again after a growing delay.

  Options: `timeout:` (120,000 ms in all). Gives up at once on what waiting cannot mend: wrong
  credentials, a mistaken configuration, a disabled instance.
  """
  @spec wait_for_ready(keyword) :: result(%{version: String.t()})
  def wait_for_ready(opts \\ []) do
    deadline = now() + Keyword.get(opts, :timeout, 120_000)
    wait_for_ready(opts, deadline, 250)
  end

  @longest_delay 5_000

  defp wait_for_ready(opts, deadline, delay) do
    remaining = max(deadline - now(), 1)

    case health(Keyword.put(opts, :total_timeout, min(remaining, 10_000))) do
      {:error, %Error{retryable: true} = error} ->
        if now() + delay > deadline do
          {:error, error}
        else
          Process.sleep(delay)
          wait_for_ready(opts, deadline, min(delay * 2, @longest_delay))
        end

      answer ->
        answer
    end
  end

  @doc """
  What the instance keeps to when it sends requests, as far as it has learned by now. Asks nobody.

    * `profile` - whose limits it began with: `:mlflow`, `:databricks` or `:azure`. The setting
      `server` says so, or else the address does
    * `batch` - the most that one `runs/log-batch` holds: `entities` in all, `metrics`, `params`,
      `tags`, and `bytes`. A batch that the server refuses for its size, or does not manage in
      time, is sent again in halves; sizes grow back slowly, up to the profile's
    * `rate` - requests per s, or `nil` for no limit. Halved when the server says that it is too
      much (429), and raised bit by bit while it does not; the setting `rate_limit` is its upper end
    * `paused_for` - ms for which the server wants no requests (`Retry-After`). A request whose
      deadline comes before that fails at once, with kind `:rate_limited`
    * `circuit` - `:closed` or, after five requests in a row that found no server, `{:open, ms}`:
      ms until one is let through to see. All others fail at once, with kind `:connect` and a
      `retry_after`; jobs wait without losing an attempt. `health/1` is always let through, and
      closes the circuit when the server is back

  All sessions and jobs of an instance share these.

      {:ok, %{circuit: {:open, 740}}} = MLflow.Client.limits()
  """
  @spec limits(keyword) :: result(limits)
  def limits(opts \\ []) do
    with {:ok, instance} <- Instance.fetch(opts), do: {:ok, Native.engine_limits(instance.engine)}
  end

  for {name, arity} <- [
        create_experiment: 2,
        get_experiment: 2,
        get_experiment_by_name: 2,
        update_experiment: 3,
        delete_experiment: 2,
        restore_experiment: 2,
        set_experiment_tag: 4,
        create_run: 2,
        get_run: 2,
        update_run: 3,
        delete_run: 2,
        restore_run: 2,
        log_metric: 4,
        log_batch_metrics: 3,
        log_param: 4,
        log_batch_params: 3,
        log_batch: 3,
        set_tag: 4,
        delete_tag: 3,
        get_metric_history: 3,
        health: 1,
        limits: 1,
        version: 1,
        wait_for_ready: 1
      ] do
    args = Macro.generate_arguments(arity - 1, __MODULE__)

    @doc "Like `#{name}/#{arity}`, but raises `MLflow.Error`."
    def unquote(:"#{name}!")(unquote_splicing(args), opts \\ []) do
      Error.bang!(unquote(name)(unquote_splicing(args), opts))
    end
  end

  defp call(request, opts) do
    with {:ok, instance} <- Instance.fetch_enabled(opts) do
      Instance.request(instance, request, Keyword.take(opts, [:total_timeout]))
    end
  end

  defp pages(opts, fetch) do
    Stream.resource(
      fn -> {nil, MapSet.new()} end,
      fn
        :done ->
          {:halt, :done}

        {token, seen} ->
          {items, next} = opts |> search(token) |> fetch.() |> Error.bang!()
          {items, next_page(next, seen)}
      end,
      fn _ -> :ok end
    )
  end

  defp next_page(nil, _seen), do: :done

  defp next_page(next, seen) do
    if MapSet.member?(seen, next) do
      raise Error.new(:bad_response, "search", "the server repeated a page token; gave up paging")
    end

    {next, MapSet.put(seen, next)}
  end

  defp search(opts, token \\ nil) do
    %{
      filter: opts[:filter],
      max_results: opts[:max_results],
      order_by: List.wrap(opts[:order_by]),
      view_type: view_type!(opts[:view_type]),
      page_token: token
    }
  end

  @view_types [:active_only, :deleted_only, :all]

  defp view_type!(nil), do: nil
  defp view_type!(type) when type in @view_types, do: type

  defp view_type!(other) do
    raise ArgumentError, ":view_type is one of #{inspect(@view_types)}, got #{inspect(other)}"
  end

  defp status!(nil), do: nil

  defp status!(status) do
    known = Enum.find(Run.statuses(), &(String.downcase(to_string(status)) == Atom.to_string(&1)))

    known ||
      raise ArgumentError,
            "a run's status is one of #{inspect(Run.statuses())}, got #{inspect(status)}"
  end

  defp id(id) when is_integer(id), do: Integer.to_string(id)
  defp id(id), do: string!(id, "an experiment id")

  defp run_id(id), do: string!(id, "a run id")
  defp name(name), do: string!(name, "an experiment's name")

  defp string!(text, _what) when is_binary(text), do: text

  defp string!(other, what),
    do: raise(ArgumentError, "#{what} must be a string, got #{inspect(other)}")

  defp now, do: System.monotonic_time(:millisecond)
end
