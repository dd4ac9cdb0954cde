defmodule Prove.TwoEngines do
  @moduledoc """
  Two VMs with an instance each, on one store file, sync the same trials at the same moment: one run
  each.
  """

  alias MLflow.{OsProcess, SyncWorker}
  alias Prove.{Engine, Outcome, Trials}

  def size(:long), do: %{trials: 100, points: 100}
  def size(:short), do: %{trials: 12, points: 20}

  @spec run(map, map) :: Outcome.t()
  def run(context, size) do
    {:ok, recorder} = Engine.start(options(context, context.name))
    trials = 1..size.trials

    for n <- trials, do: :ok = Trials.begin(n, size.points, context.name)
    created = side_by_side(context, size, "First")
    for n <- trials, do: :ok = Trials.finish(n, size.points, context.name)
    side_by_side(context, size, "Second")

    outcome =
      %Outcome{notes: ["runs created by the one and the other: #{Enum.join(created, " and ")}"]}
      |> Outcome.judge(
        context.name,
        context,
        Enum.map(trials, &Trials.expected(&1, size.points))
      )

    Supervisor.stop(recorder)
    outcome
  end

  # Their names differ, and with them their queues: nothing but the store keeps them apart.
  defp side_by_side(context, size, round) do
    engines = for n <- 1..2, do: start(context, Module.concat(context.name, "#{round}#{n}"), size)
    for engine <- engines, do: OsProcess.await_line(engine, "ready")
    for engine <- engines, do: OsProcess.tell(engine, "go")

    for engine <- engines do
      created = OsProcess.await_line(engine, "created ", 120_000)
      {_, 0} = OsProcess.await_exit(engine)
      String.to_integer(created)
    end
  end

  defp start(context, name, size) do
    code = "Prove.TwoEngines.live(#{size.trials}, name)"
    OsProcess.start(Engine.program(options(context, name), code))
  end

  @doc "Syncs every trial when told to, and says how many runs that created."
  @spec live(pos_integer, atom) :: :ok
  def live(trials, name) do
    OsProcess.hear("go")
    ids = for n <- 1..trials, do: Trials.id(n)
    {:ok, _} = SyncWorker.sync_trials_to_mlflow(ids, name: name)
    Engine.await_quiet(name, 120_000)
    {:ok, jobs} = SyncWorker.jobs(name: name)
    IO.puts("created #{Enum.count(jobs, &(&1.result["creation"] == "created"))}")
  end

  defp options(context, name) do
    [
      name: name,
      tracking_uri: context.uri,
      database: context.database,
      default_experiment: context.experiment,
      total_timeout: 2_000
    ]
  end
end
