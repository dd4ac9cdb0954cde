defmodule Prove.Check do
  @moduledoc """
  What must hold when the dust has settled: exactly one run per trial, every point exactly once,
  every param, status and time right, and no run of nobody's; or a job that says why not.
  """

  alias Prove.{Remote, Trials}

  defstruct runs: 0, points: 0, lost: 0, duplicated: 0, excused: 0, problems: []

  @type t :: %__MODULE__{
          runs: non_neg_integer,
          points: non_neg_integer,
          lost: non_neg_integer,
          duplicated: non_neg_integer,
          excused: non_neg_integer,
          problems: [String.t()]
        }

  @doc """
  Compares what was recorded with the runs that MLflow has.

  `excuses` says why a trial may be incomplete (trial id to error); nothing excuses what is there
  twice or was never recorded.
  """
  @spec compare([Trials.expected()], [Remote.run()], %{String.t() => String.t()}) :: t
  def compare(expected, runs, excuses \\ %{}) do
    by_trial = Enum.group_by(runs, & &1.trial_id)
    known = MapSet.new(expected, & &1.trial_id)

    check = %__MODULE__{
      runs: length(runs),
      points: runs |> Enum.map(&length(&1.points)) |> Enum.sum()
    }

    strangers = for run <- runs, run.trial_id not in known, do: run

    expected
    |> Enum.reduce(check, fn trial, check ->
      trial(check, trial, Map.get(by_trial, trial.trial_id, []), excuses[trial.trial_id])
    end)
    |> each(strangers, fn check, run ->
      duplicated(check, 1, "run #{run.run_id} is of no trial (#{inspect(run.trial_id)})")
    end)
    |> Map.update!(:problems, &Enum.reverse/1)
  end

  @spec holds?(t) :: boolean
  def holds?(%__MODULE__{problems: problems}), do: problems == []

  defp trial(check, trial, [], nil), do: lost(check, 1, "#{trial.trial_id} has no run")
  defp trial(check, _trial, [], _excuse), do: %{check | excused: check.excused + 1}

  defp trial(check, trial, [run], excuse) do
    check = superfluous(check, trial, run)
    complete = check |> missing(trial, run) |> fields(trial, run)

    if excuse && complete != check,
      do: %{check | excused: check.excused + 1},
      else: complete
  end

  defp trial(check, trial, runs, _excuse) do
    ids = Enum.map_join(runs, ", ", & &1.run_id)
    duplicated(check, length(runs) - 1, "#{trial.trial_id} has #{length(runs)} runs: #{ids}")
  end

  defp missing(check, trial, run) do
    each(check, trial.points -- run.points, fn check, point ->
      lost(check, 1, "#{trial.trial_id} lacks the point #{inspect(point)}")
    end)
  end

  defp superfluous(check, trial, run) do
    each(check, run.points -- trial.points, fn check, point ->
      duplicated(check, 1, "#{trial.trial_id} has the point #{inspect(point)} too much")
    end)
  end

  defp fields(check, trial, run) do
    wrong =
      for field <- [:status, :start_time, :end_time, :params],
          Map.fetch!(trial, field) != Map.fetch!(run, field),
          do: {field, Map.fetch!(trial, field), Map.fetch!(run, field)}

    tags =
      for {key, value} <- trial.tags,
          run.tags[key] != value,
          do: {"tag #{key}", value, run.tags[key]}

    each(check, wrong ++ tags, fn check, {field, right, found} ->
      problem(check, "#{trial.trial_id}: #{field} is #{inspect(found)}, not #{inspect(right)}")
    end)
  end

  defp each(check, items, fun), do: Enum.reduce(items, check, &fun.(&2, &1))

  defp lost(check, n, text), do: problem(%{check | lost: check.lost + n}, text)

  defp duplicated(check, n, text),
    do: problem(%{check | duplicated: check.duplicated + n}, text)

  defp problem(check, text), do: %{check | problems: [text | check.problems]}
end
