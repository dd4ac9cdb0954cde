# compare_alone.exs URI DATABASE EXPERIMENT EXPERIMENT_ID RUNS, run by Bench.Compare: one
# comparison in a VM that has done nothing else. Prints names and numbers: seconds, CPU seconds,
# and the MB by which memory grew.

for module <- ~w(stats proc python trials seed), do: Code.require_file("#{module}.ex", __DIR__)

[uri, database, experiment, experiment_id, runs] = System.argv()
Application.put_env(:mlflow_sync, :default_instance, false)
{:ok, _} = Application.ensure_all_started(:mlflow_sync)
opts = [name: Bench.Alone]

{:ok, supervisor} =
  MLflow.start_link(
    opts ++
      [tracking_uri: uri, database: database, default_experiment: experiment, sync_interval: 0]
  )

# As in a release, where code is not loaded when it is first called.
for application <- [:mlflow_sync, :elixir, :stdlib],
    do: :ok = :code.ensure_modules_loaded(Application.spec(application, :modules))

{cpu, {memory, {seconds, {:ok, report}}}} =
  Bench.Proc.with_cpu(fn ->
    Bench.Proc.with_memory(fn ->
      Bench.Stats.timed(fn -> MLflow.Sync.experiment(experiment_id, opts) end)
    end)
  end)

Bench.Seed.check!(report, String.to_integer(runs))
Supervisor.stop(supervisor)

figures = [seconds: seconds, cpu: cpu, erlang: memory.erlang, resident: memory.resident]
for {name, number} <- figures, do: IO.puts("#{name} #{Bench.Stats.format(number, 6)}")
