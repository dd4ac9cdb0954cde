# Run by bin/prove: each proof in turn, and a table of what it did and found.

defmodule Prove.Main do
  alias Prove.{Context, Outcome}

  @proofs %{
    "faults" => Prove.Faults,
    "crash" => Prove.Crash
  }

  def run([uri, directory, command, seed, size | names]) do
    seed = if seed == "random", do: :rand.uniform(1_000_000_000), else: String.to_integer(seed)
    size = String.to_existing_atom(size)
    IO.puts("seed #{seed}; run this again with --seed #{seed}")

    outcomes =
      for name <- names do
        {name, prove(@proofs[name], Context.new(uri, directory, seed, command), size)}
      end

    IO.inspect(outcomes, limit: :infinity)
  end

  defp prove(proof, context, size) do
    {µs, outcome} = :timer.tc(fn -> proof.run(context, proof.size(size)) end)
    IO.puts("#{inspect(proof)} #{div(µs, 1000)} ms")
    outcome
  end
end

Application.put_env(:mlflow_sync, :default_instance, false)
{:ok, _} = Application.ensure_all_started(:mlflow_sync)
Prove.Main.run(System.argv())
