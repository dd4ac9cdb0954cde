defmodule Bench.Trials do
  @moduledoc """
  Finished trials of 20 params and 10 metrics, on their way into an experiment of their own:
  ours, and MLflow's own client's.
  """

  alias Bench.{Proc, Python, Stats}
  alias MLflow.SyncWorker

  @patience 300_000

  @typedoc "How many trials, and how many points each of their metrics has."
  @type shape :: %{trials: pos_integer, points: pos_integer}

  @typedoc "Seconds, and CPU seconds of the client and of the server."
  @type cost :: %{seconds: float, client: float, server: float}

  @doc "Starts an instance of its own for `fun`, with a fresh database and experiment."
  @spec with_instance(map, String.t(), (keyword, String.t() -> result)) :: result when result: var
  def with_instance(context, experiment, fun) do
    with_offline_instance(context, experiment, fn opts ->
      {:ok, experiment_id} = MLflow.default_experiment(opts)
      fun.(opts, experiment_id)
    end)
  end

  @doc "The same, whether the server is up or not."
  @spec with_offline_instance(map, String.t(), (keyword -> result)) :: result when result: var
  def with_offline_instance(context, experiment, fun) do
    opts = [name: Module.concat(Bench, Macro.camelize(String.replace(experiment, "-", "_")))]

    {:ok, supervisor} =
      MLflow.start_link(
        opts ++
          [
            tracking_uri: context.uri,
            database: Path.join(context.directory, "#{experiment}.db"),
            default_experiment: experiment,
            sync_interval: 0
          ]
      )

    result = fun.(opts)
    Supervisor.stop(supervisor)
    result
  end

  @doc "Records the trials, finished, with all of their points; their ids."
  @spec record(shape, keyword) :: [String.t()]
  def record(%{trials: trials, points: points}, opts) do
    for index <- 1..trials do
      {:ok, trial} = MLflow.Trials.create(trial(index), opts)
      :ok = MLflow.Trials.log_metrics(trial.id, points(index, points), opts)
      {:ok, _} = MLflow.Trials.update(trial.id, %{status: :succeeded}, opts)
      trial.id
    end
  end

  # The same trial as python_client.py makes.
  defp trial(index) do
    %{
      trial_id: "trial-#{index}",
      name: "trial-#{index}",
      status: :running,
      parameters: Map.new(1..20, &{"param_#{&1}", &1 * index}),
      started_at: DateTime.utc_now()
    }
  end

  defp points(index, count) do
    now = System.system_time(:millisecond)

    for step <- 0..(count - 1), k <- 1..10 do
      {"metric_#{k}", k / (index + step), step, now + step}
    end
  end

  @doc "Has them all carried into MLflow, and waits for it; how many requests that took."
  @spec push([String.t()], keyword) :: non_neg_integer
  def push(ids, opts) do
    {:ok, jobs} = SyncWorker.sync_trials_to_mlflow(ids, opts)

    requests =
      for job <- jobs do
        {:ok, %{state: :completed, result: report}} =
          SyncWorker.await(job, [timeout: @patience] ++ opts)

        report["requests"]
      end

    Enum.sum(requests)
  end

  @doc "What it costs us to carry recorded trials into MLflow; `recording` is in seconds too."
  @spec ours(map, String.t(), shape) :: map
  def ours(context, experiment, shape) do
    with_instance(context, experiment, fn opts, experiment_id ->
      {recording, ids} = Stats.timed(fn -> record(shape, opts) end)
      {cost, requests} = cost(context, fn -> push(ids, opts) end)
      check!(context, experiment_id, shape)
      Map.merge(cost, %{recording: recording, requests: requests})
    end)
  end

  defp cost(context, fun) do
    server = Proc.group_cpu(context.server)
    {client, {seconds, result}} = Proc.with_cpu(fn -> Stats.timed(fun) end)
    {%{seconds: seconds, client: client, server: Proc.group_cpu(context.server) - server}, result}
  end

  @doc "What it costs MLflow's own client, with so many threads."
  @spec python(map, String.t(), shape, pos_integer) :: cost
  def python(context, experiment, shape, threads) do
    with_instance(context, experiment, fn _opts, experiment_id ->
      server = Proc.group_cpu(context.server)
      command = ["push", experiment_id, shape.trials, threads, shape.points]
      %{"seconds" => seconds, "cpu" => client} = Python.call(context.python, command)
      server = Proc.group_cpu(context.server) - server
      check!(context, experiment_id, shape)
      %{seconds: seconds, client: client, server: server}
    end)
  end

  @doc "Raises unless MLflow has the trials, finished and whole: a fast loss is no speed."
  @spec check!(map, String.t(), shape) :: :ok
  def check!(context, experiment_id, %{trials: trials, points: points}) do
    command = ["whole", experiment_id, 20, 10 * points]
    %{"runs" => runs, "complete" => complete} = Python.call(context.python, command)

    if {runs, complete} != {trials / 1, trials / 1},
      do: raise("of #{trials} trials there are #{runs} runs, and #{complete} of them whole")

    :ok
  end
end
