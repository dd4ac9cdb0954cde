# Run by bin/prove: each proof in turn, and a table of what it did and found.

defmodule Prove.Main do
  alias Prove.{Context, Outcome, Report}

  @proofs %{
    "faults" => Prove.Faults,
    "crash" => Prove.Crash,
    "server_death" => Prove.ServerDeath,
    "disk_full" => Prove.DiskFull,
    "locked_store" => Prove.LockedStore,
    "two_engines" => Prove.TwoEngines,
    "logger" => Prove.RunLogger
  }

  def run([uri, directory, python, seed, size | names]) do
    seed = String.to_integer(seed)
    size = String.to_existing_atom(size)

    outcomes =
      for name <- names do
        IO.puts("#{name} ...")
        context = Context.new(uri, Path.join(directory, name), seed, python)
        {name, prove(Map.fetch!(@proofs, name), context, size)}
      end

    IO.puts("\nWith seed #{seed}; for the same faults again: bin/prove --seed #{seed}")
    IO.write(["\n", Report.table(outcomes), "\n", Report.details(outcomes)])
    if not Enum.all?(outcomes, fn {_, outcome} -> Outcome.holds?(outcome) end), do: System.halt(1)
  end

  defp prove(proof, context, size) do
    started = System.monotonic_time(:millisecond)
    outcome = proof.run(context, proof.size(size))
    %{outcome | seconds: (System.monotonic_time(:millisecond) - started) / 1_000}
  rescue
    # That it came to no end does not hold either, and the other proofs are still worth a run.
    error -> %Outcome{problems: [Exception.format(:error, error, __STACKTRACE__)]}
  end
end

# Asked to end, the VM would stop Mix first, and this program stumble over that.
{:ok, _} = System.trap_signal(:sigterm, fn -> System.halt(143) end)

# What is logged is what is provoked here.
Logger.configure(level: :emergency)
Application.put_env(:mlflow_sync, :default_instance, false)
{:ok, _} = Application.ensure_all_started(:mlflow_sync)
Prove.Main.run(System.argv())
