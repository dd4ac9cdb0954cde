defmodule MLflow.Sync.Mirror do
  @moduledoc false
  # Runs that have no trial here: what the server says of them is recorded.

  alias MLflow.{Error, Instance, Metric, Run, RunRecord}
  alias MLflow.Sync.Report

  @typedoc "A run as it was read, its record if there is one, and its digest if that is known."
  @type seen :: {Run.t(), RunRecord.t() | nil, digest :: integer | nil}

  @doc "Records many runs in one write; answers the report of each."
  @spec put_all(Instance.t(), [seen]) :: {:ok, [Report.t()]} | {:error, Error.t()}
  def put_all(_instance, []), do: {:ok, []}

  def put_all(instance, runs) do
    outcomes = Enum.map(runs, &outcome/1)
    changed = for {attrs, _report} <- outcomes, attrs != nil, do: attrs

    with {:ok, _count} <- instance.config.store.put_runs(instance, changed),
         do: {:ok, Enum.map(outcomes, &elem(&1, 1))}
  end

  @doc "Records one run, and the series of its metrics."
  @spec put_with_history(Instance.t(), Run.t(), RunRecord.t() | nil) ::
          {:ok, Report.t()} | {:error, Error.t()}
  def put_with_history(instance, run, record) do
    with {:ok, [report]} <- put_all(instance, [{run, record, nil}]),
         {:ok, points, requests} <- history(instance, run),
         {:ok, new} <- instance.config.store.put_run_points(instance, run.run_id, points) do
      {:ok, report |> Map.update!("pulled", &(&1 + new)) |> Report.add_requests(requests)}
    end
  end

  defp history(_instance, %Run{metrics: metrics}) when metrics == %{}, do: {:ok, [], 0}

  defp history(instance, run) do
    keys = Map.keys(run.metrics)

    with {:ok, points} <- Instance.request(instance, {:history, run.run_id, keys}),
         do: {:ok, points, length(keys)}
  end

  # The digest alone is no news of the run, but it makes the next comparison cheap.
  defp outcome({run, record, digest}) do
    attrs = RunRecord.from_run(run)
    attrs = if digest, do: Map.put(attrs, :digest, digest), else: attrs

    cond do
      record == nil or not RunRecord.holds?(record, Map.delete(attrs, :digest)) ->
        {Map.put(attrs, :synced_at, Metric.now()), Report.of_mirror(run, 1)}

      RunRecord.holds?(record, attrs) ->
        {nil, Report.of_mirror(run, 0)}

      true ->
        {attrs, Report.of_mirror(run, 0)}
    end
  end
end
