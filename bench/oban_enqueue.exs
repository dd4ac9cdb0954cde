# MIX_ENV=test MLFLOW_TEST_DATABASE_URL=… mix run bench/oban_enqueue.exs [N]: queues N trials (10,000)
# in an Oban on PostgreSQL, with nothing waiting and with all of them waiting, beside a history of
# 100,000 jobs. Prints the time, the database's part of it, and the statements.

defmodule Bench.ObanEnqueue do
  @event MLflow.TestRepo.config()[:telemetry_prefix] || [:m_lflow, :test_repo]

  def run(count) do
    MLflow.Postgres.start!()
    {:ok, oban} = Oban.start_link(repo: MLflow.TestRepo, queues: [])
    database = Path.join(System.tmp_dir!(), "bench_oban_#{System.pid()}.db")
    opts = [name: Bench, database: database, sync_interval: 0, queue: MLflow.Queue.Oban]
    {:ok, _} = MLflow.start_link(opts)
    :telemetry.attach(__MODULE__, @event ++ [:query], &__MODULE__.count/4, nil)

    queue("history", 100_000)
    MLflow.TestRepo.update_all(Oban.Job, set: [state: "completed"])
    MLflow.TestRepo.query!("ANALYZE oban_jobs")
    IO.puts("filled")
    for what <- ["nothing waits", "all wait", "all wait"], do: measure(what, count)
    Supervisor.stop(oban)
    for file <- Path.wildcard(database <> "*"), do: File.rm_rf!(file)
  end

  defp measure(what, count) do
    Process.put(:statements, %{})
    Process.put(:time, 0)
    {time, {:ok, jobs}} = :timer.tc(fn -> queue("trial", count) end)
    added = Enum.count(jobs, &(not &1.conflict?))
    database = System.convert_time_unit(Process.get(:time), :native, :millisecond)

    IO.puts(
      "#{count} trials, #{what}: #{div(time, 1_000)} ms (#{database} ms in the database), " <>
        "#{added} added, #{inspect(Process.get(:statements))}"
    )
  end

  defp queue(prefix, count),
    do:
      MLflow.SyncWorker.sync_trials_to_mlflow(for(n <- 1..count, do: "#{prefix}-#{n}"),
        name: Bench
      )

  def count(_event, %{total_time: time}, %{query: query}, _config) do
    word = if query =~ "pg_notify", do: "notify", else: query |> String.split() |> hd()
    Process.put(:statements, Map.update(Process.get(:statements) || %{}, word, 1, &(&1 + 1)))
    Process.put(:time, (Process.get(:time) || 0) + time)
  end
end

[count] =
  if System.argv() == [], do: [10_000], else: Enum.map(System.argv(), &String.to_integer/1)

Logger.configure(level: :error)
Bench.ObanEnqueue.run(count)
