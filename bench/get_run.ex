defmodule Bench.GetRun do
  @moduledoc "Sequential `get_run` calls: ours beside MLflow's own client's, in turns."

  alias Bench.{Python, Scale, Stats, Trials}

  @calls 50

  def title, do: "get_run: one run fetched again and again, one call at a time"

  def run(context) do
    Trials.with_instance(context, "get-run", fn opts, experiment_id ->
      {:ok, run} = MLflow.Client.create_run(experiment_id, opts)
      :ok = MLflow.Client.log_batch(run.run_id, %{params: [{"rate", "0.1"}]}, opts)
      count = Scale.rounds(context, 7)

      rounds = for _ <- 1..count, do: {ours(run.run_id, opts), python(context, run.run_id)}
      {ours, theirs} = Enum.unzip(rounds)
      ratio = Stats.median(for {our, their} <- rounds, do: our / their)

      [
        ["calls/s, median of #{count} rounds", "ours", "Python client", "ratio"],
        [
          "#{@calls} calls a round",
          Stats.format(Stats.median(ours), 1),
          Stats.format(Stats.median(theirs), 1),
          Stats.format(ratio, 1)
        ]
      ]
    end)
  end

  defp ours(run_id, opts) do
    {seconds, _} =
      Stats.timed(fn ->
        for _ <- 1..@calls, do: {:ok, _} = MLflow.Client.get_run(run_id, opts)
      end)

    @calls / seconds
  end

  defp python(context, run_id),
    do: @calls / Python.call(context.python, ["get_run", run_id, @calls])["seconds"]
end
