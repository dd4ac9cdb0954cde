defmodule Bench.Compare do
  @moduledoc """
  An experiment of 5,000 runs compared with what is kept here, when all is in step: CPU time and
  memory, beside MLflow's own client's `search_runs` into a data frame.

  Ours is measured in a VM of its own each time (compare_alone.exs): one that has compared before
  has the memory already.
  """

  alias Bench.{Python, Scale, Seed, Stats}

  def title, do: "compare: an experiment of 5,000 runs, 20 params and 10 metrics each, in step"

  def run(context) do
    rows =
      for {title, kind} <- [{"all are trials here", :trials}, {"none is a trial here", :foreign}],
          row <- rows(context, title, kind),
          do: row

    header = ["medians of #{Scale.rounds(context, 3)} rounds", "ours", "search_runs", "ratio"]
    [header | rows]
  end

  defp rows(context, title, kind) do
    experiment = "compare-#{kind}"
    runs = Scale.size(context, 5_000)

    {first, experiment_id} =
      Seed.in_step(context, experiment, kind, runs, fn _opts, experiment_id, seconds ->
        {seconds, experiment_id}
      end)

    rounds =
      for _ <- 1..Scale.rounds(context, 3),
          do:
            {alone("cpu", context, experiment, experiment_id, runs),
             python(context, experiment_id, runs)}

    {ours, theirs} = Enum.unzip(rounds)
    memory = alone("memory", context, experiment, experiment_id, runs)

    [
      [title, "", "", ""],
      row("  client CPU, s", "cpu", ours, theirs),
      row("  seconds", "seconds", ours, theirs),
      ["  BEAM memory grows by, MB", Stats.format(memory["erlang"], 1), "", ""],
      ["  resident memory grows by, MB", Stats.format(memory["resident"], 1), "", ""],
      ["  first sync, s", Stats.format(first, 1), "", ""]
    ]
  end

  defp alone(what, context, experiment, experiment_id, runs) do
    script = Path.join(__DIR__, "compare_alone.exs")
    database = Path.join(context.directory, "#{experiment}.db")
    arguments = [what, context.uri, database, experiment, experiment_id, "#{runs}"]

    case System.cmd("mix", ["run", "--no-compile", "--no-start", script | arguments]) do
      {line, 0} ->
        for [name, number] <- line |> String.split() |> Enum.chunk_every(2),
            into: %{},
            do: {name, String.to_float(number)}

      {output, _status} ->
        raise "comparing failed: #{output}"
    end
  end

  defp python(context, experiment_id, runs) do
    answer = Python.call(context.python, ["search_runs", experiment_id])
    if answer["runs"] != runs / 1, do: raise("search_runs found #{answer["runs"]} runs")
    answer
  end

  defp row(title, key, ours, theirs) do
    {ours, theirs} = {Enum.map(ours, & &1[key]), Enum.map(theirs, & &1[key])}
    ratio = Stats.median(Enum.zip_with(ours, theirs, &(&1 / &2)))

    [
      title,
      Stats.format(Stats.median(ours), 2),
      Stats.format(Stats.median(theirs), 2),
      Stats.format(ratio, 3)
    ]
  end
end
