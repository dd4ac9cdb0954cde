defmodule Prove.RunLogger do
  @moduledoc """
  VMs full of loggers are killed with `kill -9` one after the other, some of them while they start,
  while MLflow is now there, now faulty and now out of reach. Whatever a logger was told is kept must
  be in MLflow in the end.
  """

  alias MLflow.{FaultProxy, Outbox, OsProcess, Trials}
  alias Prove.{Acknowledged, Engine, Faults, Logged, LoggedCheck, Loggers, Outcome, Remote}

  # An engine's, as Prove.Engine sets it: what is late comes after its sender has given up.
  @timeouts %{request_timeout: 2_000, silence: 5_000}
  @patience 180_000

  def size(:long) do
    %{
      kills: 25,
      delay: 100..2_500,
      rate: 120,
      steady: 3,
      returning: 2,
      trials: 3,
      nameless: 2,
      brief: 3
    }
  end

  def size(:short) do
    %{
      kills: 3,
      delay: 300..900,
      rate: 120,
      steady: 2,
      returning: 1,
      trials: 1,
      nameless: 1,
      brief: 2
    }
  end

  @spec run(map, map) :: Outcome.t()
  def run(context, size) do
    :rand.seed(:exsss, context.seed)
    {:ok, proxy} = FaultProxy.start_link(upstream: context.uri, seed: context.seed)
    run_id = prepare(context, size)
    {lives, phases} = lives(context, size, run_id, proxy)

    {:ok, engine} = Engine.start(options(context, context.uri))
    # What a dead VM sent may still arrive, and nobody could tell its tags from later ones.
    await_answers(proxy)
    last = last_life(context, size, run_id)
    waiting = settle(context, proxy)
    # A run whose process ended is ended behind that, and so maybe behind the last call.
    last = put_in(last.time, put_elem(last.time, 1, now()))
    outcome = judge(%Outcome{kills: size.kills}, lives ++ [last], context)
    outcome = Enum.reduce(waiting, outcome, &Outcome.expect(&2, false, &1))
    faults = FaultProxy.faults(proxy)

    Supervisor.stop(engine)
    GenServer.stop(proxy)
    %{outcome | faults: faults, notes: outcome.notes ++ [Outcome.under_way(phases)]}
  end

  # What the loggers do not make themselves: trials, and a run that is there before them.
  defp prepare(%{name: name} = context, size) do
    # Nothing is to be seen of this part, however busy the machine is.
    {:ok, engine} =
      Engine.start(
        [request_timeout: 30_000, total_timeout: 60_000] ++ options(context, context.uri)
      )

    for id <- Loggers.trials(size) do
      trial = %{trial_id: id, status: :running, parameters: %{who: id}}
      {:ok, _} = Trials.create(trial, name: name)
    end

    {:ok, experiment_id} = MLflow.default_experiment(name: name)
    tags = %{"prove_logger" => "existing"}
    {:ok, run} = MLflow.Client.create_run(experiment_id, tags: tags, name: name)
    Supervisor.stop(engine)
    run.run_id
  end

  defp lives(context, size, run_id, proxy) do
    weathers = Enum.flat_map(1..size.kills//3, fn _ -> Enum.shuffle(~w(fair foul none)a) end)

    weathers
    |> Enum.take(size.kills)
    |> Enum.with_index(1)
    |> Enum.map_reduce([], fn {weather, number}, phases ->
      FaultProxy.plan(proxy, plan(weather))
      members = Loggers.cast(number, size, run_id)
      life = live(context, size, FaultProxy.uri(proxy), members, number)
      {life, FaultProxy.in_flight(proxy) ++ phases}
    end)
  end

  # Slowed down a little, so that there are requests under way whenever a VM dies.
  defp plan(:fair), do: fn _ -> {:delay, 20} end
  defp plan(:foul), do: Faults.table(@timeouts)
  defp plan(:none), do: fn _ -> {:refuse, 300} end

  defp live(context, size, uri, members, number) do
    answers = answers(context, number)
    arguments = Enum.map_join([members, number, size.rate, answers], ", ", &literal/1)
    program = Engine.program(options(context, uri), "Prove.Loggers.live(#{arguments}, name)")
    from = now()
    victim = OsProcess.start(program)
    # Every sixth dies while it starts.
    if rem(number, 6) != 4, do: OsProcess.await_line(victim, "ready")
    Process.sleep(Enum.random(size.delay))
    if rem(number, 2) == 1, do: kill_in_the_thick(victim), else: OsProcess.kill(victim)
    life(number, members, answers, from, true)
  end

  # In the middle of calls, which are over in less time than it takes to start a `kill`: it is ready
  # before they begin.
  defp kill_in_the_thick(victim) do
    script = "read _; kill -9 #{victim.pid}"
    killer = Port.open({:spawn_executable, System.find_executable("sh")}, args: ["-c", script])
    OsProcess.tell(victim, "hurry")
    OsProcess.await_line(victim, "hurrying")
    Port.command(killer, "\n")
    OsProcess.await_exit(victim)
  end

  defp last_life(context, size, run_id) do
    number = size.kills + 1
    members = Loggers.last_cast(number, size, run_id)
    answers = answers(context, number)
    from = now()
    Loggers.live(members, number, size.rate, answers, context.name)
    life(number, members, answers, from, false)
  end

  defp life(number, members, answers, from, killed) do
    {answered, complaints} = Acknowledged.read(answers)

    %{
      number: number,
      members: members,
      answered: answered,
      complaints: complaints,
      killed: killed,
      time: {from, now()}
    }
  end

  # Waits until all is delivered and no request is left that may still arrive; answers what is
  # wrong with that.
  defp settle(%{name: name}, proxy) do
    flushed = Outbox.flush(timeout: @patience, name: name)
    {:ok, %{loggers: loggers}} = Outbox.status(name: name)
    refused = for %{rejected: n} = log when n > 0 <- loggers, do: "#{n} of #{log.id} are refused"
    damaged = for %{lost: n} = log when n > 0 <- loggers, do: "#{n} of #{log.id} are damaged"

    problems =
      refused ++ damaged ++ for {:error, error} <- [flushed], do: Exception.message(error)

    # The end of one whose process has ended comes behind that; the log goes when it is delivered.
    if problems == [] do
      Engine.await("the outbox is empty", @patience, fn ->
        match?({:ok, %{loggers: []}}, Outbox.status(name: name))
      end)
    end

    await_answers(proxy)
    problems
  end

  defp await_answers(proxy),
    do:
      Engine.await("every request is answered", 60_000, fn ->
        FaultProxy.in_flight(proxy) == []
      end)

  defp judge(outcome, lives, context) do
    expected = Logged.expected(lives)
    times = Map.new(lives, &{&1.number, &1.time})
    runs = Remote.runs(context.uri, context.experiment)
    outcome = Outcome.add(outcome, LoggedCheck.compare(expected, runs, times))
    answered = expected |> Enum.map(&length(&1.points)) |> Enum.sum()
    calls = lives |> Enum.flat_map(&Map.values(&1.answered)) |> Enum.sum()

    note =
      "#{length(expected)} loggers had answers to #{calls} calls, with #{answered} points" <>
        cut_off(outcome, answered)

    complaints =
      for life <- lives, complaint <- life.complaints, do: "in life #{life.number}, #{complaint}"

    outcome = Enum.reduce(complaints, outcome, &Outcome.expect(&2, false, &1))
    %{outcome | notes: [note | outcome.notes]}
  end

  # Where points are missing or too many, nobody can tell from their number.
  defp cut_off(outcome, answered) do
    if Outcome.holds?(outcome),
      do: "; #{outcome.points - answered} more arrived whose answers were cut off",
      else: ""
  end

  defp options(context, uri) do
    [
      name: context.name,
      tracking_uri: uri,
      database: context.database,
      outbox: Path.join(context.directory, "outbox"),
      default_experiment: context.experiment
    ]
  end

  # Beside the database, whose name no other run of this proof has.
  defp answers(context, number), do: "#{context.database}.answers-#{number}"
  defp literal(term), do: inspect(term, limit: :infinity, printable_limit: :infinity)
  defp now, do: System.system_time(:millisecond)
end
