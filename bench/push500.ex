defmodule Bench.Push500 do
  @moduledoc """
  Five hundred recorded trials, with 50 points for each metric, carried into MLflow: ours,
  beside MLflow's own client's from one thread and from eight, and beside what the server can
  answer at all (`Bench.Ceiling`).
  """

  alias Bench.{Ceiling, Scale, Stats, Trials}

  @in_flight [2, 4, 6, 8]

  def title, do: "push500: 500 trials of 20 params and 10 metrics of 50 points"

  def run(context) do
    shape = Scale.shape(context, 500, 50)
    # One thread takes minutes for them all, and its rate is the same for fewer.
    fewer = Scale.shape(context, 100, 50)
    in_flight = best_in_flight(context, fewer)

    contenders = [
      {"ours", shape, &ours/3},
      {"bare loop, #{in_flight} in flight", shape, &loop(&1, &2, &3, in_flight)},
      {"Python, 8 threads", shape, &Trials.python(&1, &2 <> "-eight", &3, 8)},
      {"Python, 1 thread (#{fewer.trials} trials)", fewer,
       &Trials.python(&1, &2 <> "-one", &3, 1)}
    ]

    count = Scale.rounds(context, 3)
    costs = 1..count |> Enum.map(&round(context, &1, contenders)) |> Enum.zip_with(& &1)
    [ours, loops | _] = costs
    recorded = Enum.map(ours, &%{&1 | rate: &1.trials / (&1.recording + &1.seconds)})
    titles = for {title, _, _} <- contenders, do: title

    [
      ["medians of #{count} rounds", "trials/s", "requests/s", "client CPU, ms/trial"] ++
        ["server CPU, ms/trial", "ours is", "the loop is"]
      | for {title, costs} <-
              List.insert_at(Enum.zip(titles, costs), 1, {"ours, recording included", recorded}) do
          row(title, costs, ours, loops)
        end
    ]
  end

  # How many requests in flight the server likes best.
  defp best_in_flight(context, shape) do
    Enum.min_by(@in_flight, fn in_flight ->
      Ceiling.measure(context, "push500-#{in_flight}-in-flight", shape, in_flight).seconds
    end)
  end

  defp round(context, round, contenders) do
    for {_title, shape, measure} <- contenders do
      cost = measure.(context, "push500-#{round}", shape)
      Map.merge(cost, %{trials: shape.trials, rate: shape.trials / cost.seconds})
    end
  end

  defp ours(context, experiment, shape) do
    cost = Trials.ours(context, experiment, shape)

    if cost.requests != 3 * shape.trials,
      do: raise("#{shape.trials} trials cost #{cost.requests} requests")

    cost
  end

  defp loop(context, experiment, shape, in_flight),
    do: Ceiling.measure(context, experiment <> "-loop", shape, in_flight)

  defp row(title, costs, ours, loops) do
    rate = Stats.median(Enum.map(costs, & &1.rate))
    per_trial = fn key -> Stats.median(Enum.map(costs, &(&1[key] * 1000 / &1.trials))) end

    [
      title,
      Stats.format(rate, 1),
      # Create, log and finish: MLflow's client sends the same three.
      Stats.format(3 * rate, 0),
      Stats.format(per_trial.(:client), 1),
      Stats.format(per_trial.(:server), 1),
      times(ours, costs),
      times(loops, costs)
    ]
  end

  defp times(ours, theirs) do
    ratio = Stats.median(Enum.zip_with(ours, theirs, &(&1.rate / &2.rate)))
    Stats.format(ratio, 2) <> " times"
  end
end
