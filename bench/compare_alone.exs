# compare_alone.exs WHAT URI DATABASE EXPERIMENT EXPERIMENT_ID RUNS, run by Bench.Compare: one
# comparison in a VM that has done nothing else. Prints names and numbers: the seconds and, for
# `cpu`, the CPU seconds, or, for `memory`, the MB by which it grew. Sampling memory takes CPU.

for module <- ~w(stats proc python trials seed), do: Code.require_file("#{module}.ex", __DIR__)

[what, uri, database, experiment, experiment_id, runs] = System.argv()
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

compare = fn -> Bench.Stats.timed(fn -> MLflow.Sync.experiment(experiment_id, opts) end) end

{figures, {seconds, {:ok, report}}} =
  case what do
    "cpu" ->
      {cpu, outcome} = Bench.Proc.with_cpu(compare)
      {[cpu: cpu], outcome}

    "memory" ->
      {memory, outcome} = Bench.Proc.with_memory(compare)
      {Map.to_list(memory), outcome}
  end

Bench.Seed.check!(report, String.to_integer(runs))
Supervisor.stop(supervisor)

for {name, number} <- [{:seconds, seconds} | figures],
    do: IO.puts("#{name} #{Bench.Stats.format(number, 6)}")
