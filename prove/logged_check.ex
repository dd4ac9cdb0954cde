defmodule Prove.LoggedCheck do
  @moduledoc """
  What must hold of the runs that were logged to: one for each logger, with every point that was
  answered exactly once, with those that were cut off once or not at all, and with no others; and
  with the params, tags, status and end that they were given.
  """

  alias Prove.{Check, Logged, Loggers, Remote}

  @ended ~w(FINISHED FAILED KILLED)

  @doc "`times` is from when to when each life was, in ms, by its number."
  @spec compare([Logged.t()], [Remote.run()], %{pos_integer => {integer, integer}}) :: Check.t()
  def compare(expected, runs, times) do
    by_label = Enum.group_by(runs, &label/1)
    known = MapSet.new(expected, & &1.label)
    strangers = for run <- runs, label(run) not in known, do: run

    check = %Check{
      runs: length(runs),
      points: runs |> Enum.map(&length(&1.points)) |> Enum.sum()
    }

    expected
    |> Enum.reduce(check, fn logger, check ->
      logger(check, logger, Map.get(by_label, logger.label, []), times)
    end)
    |> each(strangers, fn check, run ->
      duplicated(check, "run #{run.run_id} is of no logger (#{inspect(label(run))})")
    end)
    |> Map.update!(:problems, &Enum.reverse/1)
  end

  defp label(run), do: run.tags["prove_logger"] || run.trial_id

  defp logger(check, %{required: false}, [], _times), do: check
  defp logger(check, logger, [], _times), do: lost(check, "#{logger.label} has no run")

  defp logger(check, logger, [run], times) do
    check
    |> points(logger, Enum.map(run.points, &answered_at(&1, times)))
    |> params(logger, run)
    |> tags(logger, run)
    |> status(logger, run)
  end

  defp logger(check, logger, runs, _times) do
    ids = Enum.map_join(runs, ", ", & &1.run_id)
    duplicated(check, "#{logger.label} has #{length(runs)} runs: #{ids}")
  end

  # A point that was logged without a time has that of its call, which was in its life.
  defp answered_at({"clock", value, step, at} = point, times) do
    case times[Loggers.life(step)] do
      {from, to} when from <= at and at <= to -> {"clock", value, step, :now}
      _ -> point
    end
  end

  defp answered_at(point, _times), do: point

  defp points(check, logger, points) do
    superfluous = (points -- logger.points) -- logger.maybe_points

    check
    |> each(logger.points -- points, &lost(&1, "#{logger.label} lacks the point #{inspect(&2)}"))
    |> each(
      superfluous,
      &duplicated(&1, "#{logger.label} has the point #{inspect(&2)} too much")
    )
  end

  defp params(check, logger, run) do
    possible = Map.merge(logger.maybe_params, logger.params)

    check
    |> each(logger.params |> Map.drop(Map.keys(run.params)), fn check, {key, _value} ->
      lost(check, "#{logger.label} lacks the param #{key}")
    end)
    |> each(run.params, fn check, {key, value} ->
      expect(check, possible[key] == value, "#{logger.label}: param #{key} is #{inspect(value)}")
    end)
  end

  defp tags(check, logger, run) do
    each(check, logger.tags, fn check, {key, values} ->
      expect(
        check,
        run.tags[key] in values,
        "#{logger.label}: tag #{key} is #{inspect(run.tags[key])}, not of #{inspect(values)}"
      )
    end)
  end

  defp status(check, logger, run) do
    {from, to} = logger.time

    check
    |> expect(
      run.status in logger.statuses,
      "#{logger.label}: status is #{run.status}, not of #{inspect(logger.statuses)}"
    )
    |> expect(
      run.status not in @ended or
        (is_integer(run.end_time) and run.end_time >= from and run.end_time <= to),
      "#{logger.label}: ended at #{inspect(run.end_time)}, not in #{from}..#{to}"
    )
  end

  defp each(check, items, fun), do: Enum.reduce(items, check, &fun.(&2, &1))

  defp expect(check, true, _text), do: check
  defp expect(check, false, text), do: problem(check, text)

  defp lost(check, text), do: problem(%{check | lost: check.lost + 1}, text)
  defp duplicated(check, text), do: problem(%{check | duplicated: check.duplicated + 1}, text)
  defp problem(check, text), do: %{check | problems: [text | check.problems]}
end
