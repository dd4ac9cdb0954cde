defmodule Bench.Push do
  @moduledoc """
  A hundred finished trials carried into MLflow: ours, from recording them to the end of
  the last job, beside MLflow's own client's create_run, log_batch and set_terminated, from
  one thread and from eight.
  """

  alias Bench.{Scale, Stats, Trials}

  def title, do: "push: 100 trials of 20 params and 10 metrics, each round in fresh experiments"

  def run(context) do
    shape = Scale.shape(context, 100, 1)
    count = Scale.rounds(context, 3)

    rounds =
      for round <- 1..count do
        {ours(context, round, shape), python(context, round, shape, 1),
         python(context, round, shape, 8)}
      end

    ours = Enum.map(rounds, &elem(&1, 0))

    [
      ["trials/s, median of #{count} rounds", "ours", "Python client", "ratio"],
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

  defp ours(context, round, shape) do
    cost = Trials.ours(context, "push-#{round}", shape)
    shape.trials / (cost.recording + cost.seconds)
  end

  defp python(context, round, shape, threads) do
    cost = Trials.python(context, "push-#{round}-python-#{threads}", shape, threads)
    shape.trials / cost.seconds
  end
end
