defmodule Prove.LockedStore do
  @moduledoc """
  Another process holds the store's write lock, in the middle of a sync, for longer than the store
  waits for it.
  """

  alias Prove.{Engine, Outcome, Trials}

  def size(:long), do: %{trials: 40, points: 100, seconds: 25}
  def size(:short), do: %{trials: 12, points: 20, seconds: 6}

  @holder """
  import sqlite3, sys, time
  db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
  db.execute("BEGIN IMMEDIATE")
  print("locked", flush=True)
  time.sleep(float(sys.argv[2]))
  """

  @spec run(map, map) :: Outcome.t()
  def run(context, size) do
    {:ok, engine} =
      Engine.start(
        name: context.name,
        tracking_uri: context.uri,
        database: context.database,
        default_experiment: context.experiment,
        # How long a claim lasts that could not be settled follows from it.
        total_timeout: 2_000
      )

    {before, later} = Enum.split(Enum.to_list(1..size.trials), div(size.trials, 2))
    for n <- before, do: :ok = Trials.record(n, size.points, context.name)
    holder = lock(context, size)
    {:error, refused} = Trials.record(hd(later), size.points, context.name)
    receive do: ({^holder, {:exit_status, 0}} -> :ok)

    for n <- later, do: :ok = Trials.record(n, size.points, context.name)
    Engine.await_quiet(context.name, 120_000)
    expected = Enum.map(1..size.trials, &Trials.expected(&1, size.points))

    outcome =
      %Outcome{faults: %{"store locked" => 1}, notes: ["while it was locked: #{refused.message}"]}
      |> Outcome.judge(context.name, context, expected)
      |> Outcome.expect(
        refused.kind == :store and refused.message =~ "holding the database",
        inspect(refused)
      )

    Supervisor.stop(engine)
    outcome
  end

  defp lock(context, size) do
    holder =
      Port.open({:spawn_executable, context.python}, [
        :binary,
        :exit_status,
        line: 100,
        args: ["-c", @holder, context.database, "#{size.seconds}"]
      ])

    receive do: ({^holder, {:data, {:eol, "locked"}}} -> holder)
  end
end
