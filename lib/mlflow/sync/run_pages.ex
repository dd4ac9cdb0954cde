defmodule MLflow.Sync.RunPages do
  @moduledoc false
  # An experiment's runs, page by page. A page stays in native memory; of each run only its id, the
  # value of our tag and its digest come up, which is enough to pass over those that are in step.

  alias MLflow.{Config, Error, Instance, Metric, Native, Run, RunRecord, Trial}

  @page 1_000

  @type page :: %{
          runs: reference,
          seen: [{run_id :: String.t(), trial :: String.t() | nil, digest :: integer}],
          read_at: integer
        }

  @type differing :: %{
          run: Run.t(),
          digest: integer,
          read_at: integer,
          record: RunRecord.t() | nil,
          trial: Trial.t() | nil,
          unsynced?: boolean
        }

  @doc """
  Folds over the pages. Pages are by offset on the server: a run that moved while we paged may come
  twice, and counts once.
  """
  @spec reduce(Instance.t(), String.t(), acc, (page, acc -> {:ok, acc} | {:error, Error.t()})) ::
          {:ok, acc} | {:error, Error.t()}
        when acc: var
  def reduce(instance, experiment_id, acc, fun),
    do: next(instance, experiment_id, nil, MapSet.new(), acc, fun)

  defp next(instance, experiment_id, token, known, acc, fun) do
    read_at = Metric.now()
    request = {:survey_runs, [experiment_id], search(token), Config.trial_tag(instance.config)}

    with {:ok, {runs, seen, next}} <- Instance.request(instance, request),
         new = Enum.reject(seen, fn {run_id, _, _} -> MapSet.member?(known, run_id) end),
         {:ok, acc} <- fun.(%{runs: runs, seen: new, read_at: read_at}, acc) do
      cond do
        next == nil -> {:ok, acc}
        new == [] -> {:error, endless_paging()}
        true -> next(instance, experiment_id, next, add(known, new), acc, fun)
      end
    end
  end

  defp add(known, new), do: Enum.into(new, known, fn {run_id, _, _} -> run_id end)

  defp search(token) do
    %{
      filter: nil,
      max_results: @page,
      order_by: ["attributes.start_time ASC"],
      view_type: :all,
      page_token: token
    }
  end

  defp endless_paging do
    message = "the server promises further pages of runs, and sends none that are new"
    Error.new(:bad_response, "runs/search", message, retryable: true)
  end

  @doc "The page's runs that the store does not know to be in step, each with its local side."
  @spec differing(Instance.t(), page) :: {:ok, [differing]} | {:error, Error.t()}
  def differing(instance, %{runs: runs, seen: seen, read_at: read_at}) do
    store = instance.config.store

    with {:ok, in_step} <- store.in_step(instance, seen),
         in_step = MapSet.new(in_step),
         rest = Enum.reject(seen, fn {run_id, _, _} -> MapSet.member?(in_step, run_id) end),
         {:ok, sides} <- store.local_sides(instance, for({id, tag, _} <- rest, do: {id, tag})) do
      {:ok, runs |> differing(rest, sides) |> Enum.map(&Map.put(&1, :read_at, read_at))}
    end
  end

  defp differing(_runs, [], _sides), do: []

  defp differing(runs, rest, sides) do
    ids = Enum.map(rest, fn {run_id, _, _} -> run_id end)
    by_id = Map.new(Native.page_runs(runs, ids), &{&1.run_id, &1})

    for {{run_id, _tag, digest}, {record, trial, unsynced?}} <- Enum.zip(rest, sides) do
      run = Map.fetch!(by_id, run_id)
      %{run: run, digest: digest, record: record, trial: trial, unsynced?: unsynced?}
    end
  end
end
