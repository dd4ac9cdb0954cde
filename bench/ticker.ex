defmodule Bench.Ticker do
  @moduledoc """
  How late a process that ticks every millisecond is, in a VM that pushes trials, compares an
  experiment and logs points. The same ticker in an otherwise idle VM, while the Python client
  puts those loads on server and machine, tells what of it is ours.
  """

  alias Bench.{Python, Scale, Seed, Stats, Ticks, Trials}

  @patience 300_000

  def title, do: "ticker: lateness of a 1 ms tick, beside one in an idle VM under Python's load"

  def run(context) do
    shape = Scale.shape(context, 200, 50)
    runs = Scale.size(context, 5_000)
    points = Scale.size(context, 50_000)
    count = Scale.rounds(context, 3)

    Seed.in_step(context, "ticker-compare", :trials, runs, fn opts, experiment_id, _seconds ->
      loads = [
        {"#{shape.trials} trials pushed", &push(context, &1, shape),
         &push_python(context, &1, shape)},
        {"#{runs} runs compared", fn _ -> compare(opts, experiment_id, runs) end,
         fn _ -> compare_python(context, experiment_id) end},
        {"#{points} points logged", &log(context, &1, points), &log_python(context, &1, points)}
      ]

      late = 1..count |> Enum.map(&round(loads, &1)) |> Enum.zip_with(&together/1)

      rows = for {{title, _, _}, late} <- Enum.zip(loads, late), row <- rows(title, late), do: row

      header = ["ms late, #{count} rounds", "this VM works", "Python works", "difference"]
      [header | rows] ++ rows("all of it", together(late))
    end)
  end

  # How late the ticks of each load were, ours and beside Python's.
  defp round(loads, round) do
    for {_title, ours, theirs} <- loads, do: {ours.(round), theirs.(round)}
  end

  defp together(lates) do
    {ours, theirs} = Enum.unzip(lates)
    {Enum.concat(ours), Enum.concat(theirs)}
  end

  defp rows(title, {ours, theirs} = late) do
    [
      [title, "", "", ""],
      row("  p50", &Stats.percentile(&1, 0.50), late),
      row("  p99", &Stats.percentile(&1, 0.99), late),
      row("  p99.9", &Stats.percentile(&1, 0.999), late),
      row("  max", &Enum.max/1, late),
      ["  ticks", "#{length(ours)}", "#{length(theirs)}", ""]
    ]
  end

  defp row(title, statistic, {ours, theirs}) do
    {our, their} = {statistic.(ours) / 1000, statistic.(theirs) / 1000}
    [title, Stats.format(our, 3), Stats.format(their, 3), Stats.format(our - their, 3)]
  end

  defp push(context, round, shape) do
    Trials.with_instance(context, "ticker-#{round}", fn opts, _experiment_id ->
      Ticks.during(fn -> shape |> Trials.record(opts) |> Trials.push(opts) end)
    end)
  end

  defp push_python(context, round, shape) do
    Trials.with_instance(context, "ticker-#{round}-python", fn _opts, experiment_id ->
      command = ["push", experiment_id, shape.trials, 8, shape.points]
      Ticks.during(fn -> Python.call(context.python, command) end)
    end)
  end

  defp compare(opts, experiment_id, runs) do
    Ticks.during(fn ->
      {:ok, report} = MLflow.Sync.experiment(experiment_id, opts)
      Seed.check!(report, runs)
    end)
  end

  defp compare_python(context, experiment_id),
    do: Ticks.during(fn -> Python.call(context.python, ["search_runs", experiment_id]) end)

  defp log(context, round, points) do
    Trials.with_instance(context, "ticker-log-#{round}", fn opts, _experiment_id ->
      {:ok, logger} = MLflow.RunLogger.start_link([run_name: "ticker"] ++ opts)

      Ticks.during(fn ->
        for step <- 1..points, do: :ok = MLflow.RunLogger.log(logger, %{loss: 0.5}, step: step)
        {:ok, :delivered} = MLflow.RunLogger.close(logger, timeout: @patience)
      end)
    end)
  end

  defp log_python(context, round, points) do
    Trials.with_instance(context, "ticker-log-#{round}-python", fn _opts, experiment_id ->
      Ticks.during(fn -> Python.call(context.python, ["log_async", experiment_id, points]) end)
    end)
  end
end
