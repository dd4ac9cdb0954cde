defmodule Prove.ServerDeath do
  @moduledoc """
  MLflow is killed with `kill -9`, all its processes at once, while trials are on their way to it,
  and started again on the same port and database.
  """

  alias Prove.{Engine, MlflowServer, Outcome, Trials}

  def size(:long), do: %{trials: 100, points: 100, deaths: 4, delay: 100..1_500}
  def size(:short), do: %{trials: 16, points: 20, deaths: 1, delay: 100..400}

  @spec run(map, map) :: Outcome.t()
  def run(context, size) do
    :rand.seed(:exsss, context.seed)
    server = context.python |> MlflowServer.new(context.directory) |> MlflowServer.start()
    context = %{context | uri: MlflowServer.uri(server)}

    {:ok, engine} =
      Engine.start(
        name: context.name,
        tracking_uri: context.uri,
        database: context.database,
        default_experiment: context.experiment,
        # A server takes longer to start again than a fault lasts.
        max_retries: 5,
        backoff_base: 500,
        total_timeout: 30_000
      )

    # A death before the first run would be no death in mid-sync.
    {:ok, _} = MLflow.default_experiment(name: context.name)
    server = Enum.reduce(1..size.deaths, server, &death(&1, &2, context, size))
    Engine.await_quiet(context.name, 300_000)
    expected = Enum.map(1..size.trials, &Trials.expected(&1, size.points))

    outcome =
      %Outcome{kills: size.deaths}
      |> Outcome.judge(context.name, context, expected)

    Supervisor.stop(engine)
    MlflowServer.kill(server)
    outcome
  end

  # The trials of one death: some in MLflow, some on their way, some recorded while it was down.
  defp death(n, server, context, size) do
    first = div(size.trials * (n - 1), size.deaths) + 1
    last = div(size.trials * n, size.deaths)
    {before, meanwhile} = first..last |> Enum.to_list() |> Enum.split(div(last - first, 2))

    for n <- before, do: :ok = Trials.record(n, size.points, context.name)
    Process.sleep(Enum.random(size.delay))
    server = MlflowServer.kill(server)
    for n <- meanwhile, do: :ok = Trials.record(n, size.points, context.name)
    MlflowServer.start(server)
  end
end
