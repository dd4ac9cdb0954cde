defmodule MLflow.Sync.WholeExperiment do
  @moduledoc false
  # An experiment compared as a whole: its runs come in pages of `runs/search`, never one by one,
  # and only what differs costs a request more.

  alias MLflow.{Config, Error, Experiment, Experiments, Instance, Run, RunRecord, Trial}
  alias MLflow.Sync.Exchange

  @page 1_000

  @spec sync(Instance.t(), String.t() | integer) :: {:ok, map} | {:error, Error.t()}
  def sync(%Instance{} = instance, experiment) do
    store = instance.config.store

    with {:ok, id} <- Experiments.resolve(instance, experiment),
         {:ok, found} <- Instance.request(instance, {:get_experiment, id}),
         {:ok, _} <- Experiments.record(instance, found),
         {:ok, runs, pages} <- runs(instance, id),
         {:ok, records} <- store.runs_in_experiment(instance, id),
         {:ok, outcomes} <- compare(instance, runs, records),
         {:ok, new} <- push_new(instance, found) do
      outcomes = outcomes ++ missing(records, runs) ++ new
      report = report(id, runs, outcomes, pages + 1)
      verdict(Map.put(report, "duplicates", duplicates(instance, runs, records)))
    end
  end

  # Pages are by offset on the server: a run that moved while we paged may come twice.
  defp runs(instance, id, token \\ nil, runs \\ %{}, pages \\ 0) do
    search = %{
      filter: nil,
      max_results: @page,
      order_by: ["attributes.start_time ASC"],
      view_type: :all,
      page_token: token
    }

    with {:ok, {items, next}} <- Instance.request(instance, {:search_runs, [id], search}) do
      known = map_size(runs)
      runs = Enum.into(items, runs, &{&1.run_id, &1})

      cond do
        next == nil -> {:ok, Map.values(runs), pages + 1}
        map_size(runs) > known -> runs(instance, id, next, runs, pages + 1)
        true -> {:error, endless_paging()}
      end
    end
  end

  defp endless_paging do
    message = "the server promises further pages of runs, and sends none that are new"
    Error.new(:bad_response, "runs/search", message, retryable: true)
  end

  defp compare(instance, runs, records) do
    by_run_id =
      for %RunRecord{mlflow_run_id: id} = record <- records, id, into: %{}, do: {id, record}

    in_parallel(instance, runs, &compare_one(instance, &1, by_run_id[&1.run_id]))
  end

  defp compare_one(instance, run, record) do
    with {:ok, trial} <- linked_trial(instance, run, record) do
      cond do
        trial == nil -> mirror(instance, run, record)
        run.lifecycle_stage == :deleted -> mirror(instance, run, record)
        true -> Exchange.trial(instance, trial, :both, run: run)
      end
    end
    |> outcome(run.run_id)
  end

  @doc """
  The trial a run belongs to: the one its record is linked to or, for a run without a record, the
  one that its tag names and that has no run yet.
  """
  @spec linked_trial(Instance.t(), Run.t(), RunRecord.t() | nil) ::
          {:ok, Trial.t() | nil} | {:error, Error.t()}
  def linked_trial(instance, _run, %RunRecord{model_trial_id: id}) when id != nil,
    do: optional(instance.config.store.fetch_trial(instance, id))

  def linked_trial(instance, run, _record) do
    store = instance.config.store

    with id when id != nil <- run.tags[Config.trial_tag(instance.config)],
         {:ok, %Trial{} = trial} <- optional(store.fetch_trial(instance, id)),
         {:ok, linked} <- store.fetch_run_by_trial(instance, trial.id) do
      taken? = linked != nil and linked.mlflow_run_id not in [nil, run.run_id]
      {:ok, if(taken?, do: nil, else: trial)}
    else
      nil -> {:ok, nil}
      other -> other
    end
  end

  defp optional({:error, %Error{kind: :not_found}}), do: {:ok, nil}
  defp optional(answer), do: answer

  @doc "Writes a run that has no trial of ours into its record."
  @spec mirror(Instance.t(), Run.t(), RunRecord.t() | nil) :: {:ok, map} | {:error, Error.t()}
  def mirror(instance, run, record) do
    attrs = RunRecord.from_run(run)

    if record != nil and RunRecord.holds?(record, attrs) do
      {:ok, mirrored(run, 0)}
    else
      attrs = Map.put(attrs, :synced_at, MLflow.Metric.now())
      with {:ok, _} <- instance.config.store.put_run(instance, attrs), do: {:ok, mirrored(run, 1)}
    end
  end

  defp mirrored(run, pulled) do
    %{
      "mlflow_run_id" => run.run_id,
      "creation" => "not_needed",
      "pushed" => 0,
      "pulled" => pulled,
      "conflicts" => [],
      "duplicates" => [],
      "requests" => 0,
      "writes" => 0
    }
  end

  # Runs that carry the tag of a trial which has another run: of a creation that arrived long after
  # it was given up, or somebody's copies. They are told of, and left alone.
  defp duplicates(instance, runs, records) do
    tag = Config.trial_tag(instance.config)
    linked = for %RunRecord{model_trial_id: id} = record <- records, id, do: record.mlflow_run_id
    linked = MapSet.new(linked)

    {ours, others} =
      runs
      |> Enum.filter(&(&1.lifecycle_stage == :active and is_binary(&1.tags[tag])))
      |> Enum.split_with(&(&1.run_id in linked))

    taken = MapSet.new(ours, & &1.tags[tag])
    for run <- others, run.tags[tag] in taken, do: run.run_id
  end

  # A run that vanished from the server (deleted runs still come in the search).
  defp missing(records, runs) do
    seen = MapSet.new(runs, & &1.run_id)

    for %RunRecord{mlflow_run_id: id} <- records, id != nil, not MapSet.member?(seen, id) do
      message = "run #{id} is gone from MLflow; MLflow.Runs.unlink/2 lets its trial get a new one"
      outcome({:error, Error.new(:not_found, "experiment", message)}, id)
    end
  end

  # Trials that name no experiment belong to the default one.
  defp push_new(instance, %Experiment{experiment_id: id} = experiment) do
    ids = if Experiments.default?(instance, experiment), do: [id, nil], else: [id]

    with {:ok, trials} <- instance.config.store.trials_without_run(instance, ids) do
      in_parallel(instance, trials, fn trial ->
        instance |> Exchange.trial(trial, :push, experiment_id: id) |> outcome(trial.id)
      end)
    end
  end

  defp in_parallel(instance, items, fun) do
    options = [max_concurrency: instance.config.concurrency, timeout: :infinity, ordered: false]
    {:ok, items |> Task.async_stream(fun, options) |> Enum.map(fn {:ok, outcome} -> outcome end)}
  end

  defp outcome(result, id), do: {id, result}

  defp report(id, runs, outcomes, requests) do
    done = for {_id, {:ok, summary}} <- outcomes, do: summary
    failed = for {id, {:error, error}} <- outcomes, do: {id, error}
    changed? = &(&1["pushed"] + &1["pulled"] > 0 or &1["creation"] == "created")

    %{
      "experiment_id" => id,
      "runs" => length(runs),
      "synced" => Enum.count(done, changed?),
      "unchanged" => Enum.count(done, &(not changed?.(&1))),
      "pushed" => Enum.count(done, &(&1["pushed"] > 0 or &1["creation"] == "created")),
      "pulled" => Enum.count(done, &(&1["pulled"] > 0)),
      "failed" => Enum.map(failed, fn {id, error} -> Map.put(Error.to_map(error), "id", id) end),
      "conflicts" => Enum.flat_map(done, & &1["conflicts"]),
      "requests" => requests + total(done, "requests"),
      "writes" => total(done, "writes")
    }
  end

  defp total(summaries, key), do: summaries |> Enum.map(& &1[key]) |> Enum.sum()

  # One bad run fails alone. What trying again may mend makes the whole job try again, which is
  # harmless: what is in step by then costs nothing.
  defp verdict(%{"failed" => failed} = report) do
    case Enum.find(failed, & &1["retryable"]) do
      nil ->
        {:ok, report}

      first ->
        error = Error.from_map(first)

        message =
          "#{length(failed)} of #{report["runs"]} runs failed, the first with: #{error.message}"

        {:error, %Error{error | operation: "experiment", message: message}}
    end
  end
end
