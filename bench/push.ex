defmodule Bench.Push do
  @moduledoc """
  A hundred finished trials carried into MLflow: ours, from recording them to the end of
  the last job, beside MLflow's own client's create_run, log_batch and set_terminated, from
  one thread and from eight.
  """

  alias Bench.{Python, Stats, Trials}

  @rounds 3

  def title, do: "push: 100 trials of 20 params and 10 metrics, each round in fresh experiments"

  def run(context) do
    rounds =
      for round <- 1..@rounds do
        {ours(context, round), python(context, round, 1), python(context, round, 8)}
      end

    ours = Enum.map(rounds, &elem(&1, 0))

    [
      ["trials/s, median of #{@rounds} rounds", "ours", "Python client", "ratio"],
      row("beside one Python thread", ours, Enum.map(rounds, &elem(&1, 1))),
      row("beside eight Python threads", ours, Enum.map(rounds, &elem(&1, 2)))
    ]
  end

  defp row(title, ours, theirs) do
    ratio = Stats.median(Enum.zip_with(ours, theirs, &(&1 / &2)))

    [
      title,
      Stats.format(Stats.median(ours), 1),
      Stats.format(Stats.median(theirs), 1),
      Stats.format(ratio, 1)
    ]
  end

  defp ours(context, round) do
    Trials.with_instance(context, "push-#{round}", fn opts, experiment_id ->
      {seconds, :ok} = Stats.timed(fn -> Trials.push(opts) end)
      Trials.check!(experiment_id, opts)
      Trials.count() / seconds
    end)
  end

  defp python(context, round, threads) do
    Trials.with_instance(context, "push-#{round}-python-#{threads}", fn opts, experiment_id ->
      command = ["push", experiment_id, Trials.count(), threads]
      seconds = Python.seconds(context.python, command)
      Trials.check!(experiment_id, opts)
      Trials.count() / seconds
    end)
  end
end
