defmodule Bench.Seed do
  @moduledoc """
  Experiments of many finished runs of 20 params and 10 metrics, in step with what is kept here:
  the server's rows are written into its database, and a first sync adopts or mirrors them.
  """

  alias Bench.{Python, Stats, Trials}

  # As in mlflow_db.py.
  @time 1_700_000_000_000

  @doc """
  Seeds an experiment and runs `fun` with an instance whose store is in step with it. The runs
  are trials here (`:trials`) or not (`:foreign`). `fun` is also given the seconds that the first
  sync took.
  """
  @spec in_step(map, String.t(), :trials | :foreign, pos_integer, function) :: term
  def in_step(context, experiment, kind, runs, fun) do
    Trials.with_instance(context, experiment, fn opts, experiment_id ->
      Python.call(context.python, ["seed", experiment_id, runs, tag(kind)])
      if kind == :trials, do: Enum.each(1..runs, &record(&1, opts))

      {seconds, {:ok, report}} =
        Stats.timed(fn -> MLflow.Sync.experiment(experiment_id, opts) end)

      # What was recorded is what was seeded: were it pushed, it would not be in step.
      if {report["runs"], report["writes"], report["failed"]} != {runs, 0, []},
        do: raise("the seeded runs are not what was recorded: #{inspect(report)}")

      fun.(opts, experiment_id, seconds)
    end)
  end

  @doc "Raises unless the sync found so many runs, all in step, with the fewest requests."
  @spec check!(map, pos_integer) :: :ok
  def check!(report, runs) do
    told = {report["runs"], report["unchanged"], report["requests"], report["writes"]}
    expected = {runs, runs, ceil(runs / 1000) + 1, 0}
    if told != expected, do: raise("runs, unchanged, requests, writes: #{inspect(told)}")
    :ok
  end

  defp tag(:trials), do: "thunderline_trial_id"
  defp tag(:foreign), do: "-"

  defp record(index, opts) do
    {:ok, _} =
      MLflow.Trials.create(
        %{
          trial_id: "trial-#{index}",
          name: "trial-#{index}",
          status: :succeeded,
          parameters: Map.new(1..20, &{"param_#{&1}", &1 * index}),
          metrics: Map.new(1..10, &{"metric_#{&1}", &1 / index}),
          started_at: DateTime.from_unix!(@time, :millisecond),
          completed_at: DateTime.from_unix!(@time, :millisecond)
        },
        opts
      )
  end
end
