defmodule Prove.Crash do
  @moduledoc """
  The VM is killed with `kill -9` again and again while it records trials and brings them to MLflow,
  each time some moments after it was ready.
  """

  alias MLflow.{FaultProxy, OsProcess}
  alias Prove.{Engine, Outcome, Trials}

  # Slows the server down a little, so that there are requests under way whenever a VM dies.
  @latency 60

  def size(:long), do: %{trials: 200, points: 100, kills: 50, delay: 50..1_500}
  def size(:short), do: %{trials: 12, points: 20, kills: 4, delay: 50..600}

  @spec run(map, map) :: Outcome.t()
  def run(context, size) do
    :rand.seed(:exsss, context.seed)

    {:ok, proxy} =
      FaultProxy.start_link(upstream: context.uri, plan: fn _ -> {:delay, @latency} end)

    {recorded, phases} = lives(context, size, proxy)
    GenServer.stop(proxy)

    {:ok, engine} = Engine.start(options(context, context.uri))
    for n <- (recorded + 1)..size.trials//1, do: :ok = Trials.record(n, size.points, context.name)
    Engine.await_quiet(context.name, 300_000)

    expected = Enum.map(1..size.trials, &Trials.expected(&1, size.points))

    outcome =
      %Outcome{kills: size.kills, notes: [Outcome.under_way(phases)]}
      |> Outcome.judge(context.name, context, expected)

    Supervisor.stop(engine)
    outcome
  end

  # Each life records its share of the trials, and syncs what the lives before it left.
  defp lives(context, size, proxy) do
    Enum.reduce(1..size.kills, {0, []}, fn life, {recorded, phases} ->
      share = div(size.trials * life, size.kills)
      work = "Prove.Crash.live(#{recorded + 1}, #{share}, #{size.points}, name)"
      program = Engine.program(options(context, FaultProxy.uri(proxy)), work)
      victim = OsProcess.start(program)
      OsProcess.await_line(victim, "ready")
      Process.sleep(Enum.random(size.delay))
      phases = FaultProxy.in_flight(proxy) ++ phases
      {lines, _} = OsProcess.kill(victim)
      {last(lines, recorded), phases}
    end)
  end

  @doc "Records trials, and says so of each: what was said is never recorded again."
  @spec live(pos_integer, non_neg_integer, pos_integer, atom) :: no_return
  def live(from, to, points, name) do
    for n <- from..to//1 do
      :ok = Trials.record(n, points, name)
      IO.puts("recorded #{n}")
    end

    Process.sleep(:infinity)
  end

  defp last(lines, recorded) do
    Enum.max([recorded | for("recorded " <> n <- lines, do: String.to_integer(n))])
  end

  defp options(context, uri) do
    [
      name: context.name,
      tracking_uri: uri,
      database: context.database,
      default_experiment: context.experiment
    ]
  end
end
