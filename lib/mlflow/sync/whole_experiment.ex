defmodule MLflow.Sync.WholeExperiment do
  @moduledoc false
  # An experiment compared as a whole: its runs come in pages of `runs/search`, never one by one,
  # and only what differs is looked at, or costs a request more.

  alias MLflow.{Error, Experiment, Experiments, Instance, Metric, Run, RunRecord}
  alias MLflow.Sync.{Exchange, Mirror, Report, RunPages, Tally}

  @spec sync(Instance.t(), String.t() | integer) :: {:ok, Report.t()} | {:error, Error.t()}
  def sync(%Instance{} = instance, experiment) do
    with {:ok, id} <- Experiments.resolve(instance, experiment),
         {:ok, found} <- Instance.request(instance, {:get_experiment, id}),
         {:ok, _} <- Experiments.record(instance, found),
         {:ok, tally} <-
           RunPages.reduce(instance, id, Tally.new(id, 1), &compare(instance, &1, &2)),
         {:ok, tally} <- look_for_missing(instance, tally),
         {:ok, tally} <- push_new(instance, found, tally),
         {:ok, tally} <- find_duplicates(instance, tally),
         {:ok, tally} <- check_counts(instance, found, tally) do
      Tally.verdict(tally)
    end
  end

  defp compare(instance, page, tally) do
    tally = Tally.add_page(tally, page.seen)

    with {:ok, differing} <- RunPages.differing(instance, page),
         {:ok, outcomes} <- exchange(instance, differing) do
      {:ok, Tally.add(tally, outcomes)}
    end
  end

  # Runs without a trial are recorded in one write, the others brought in step one by one.
  defp exchange(instance, differing) do
    {mirrored, linked} =
      Enum.split_with(differing, &(&1.trial == nil or &1.run.lifecycle_stage == :deleted))

    with {:ok, reports} <-
           Mirror.put_all(instance, Enum.map(mirrored, &{&1.run, &1.record, &1.digest})) do
      outcomes = Enum.map(reports, &{&1["mlflow_run_id"], {:ok, &1}})
      {:ok, outcomes ++ in_parallel(instance, linked, &exchange_one(instance, &1))}
    end
  end

  defp exchange_one(instance, differing) do
    opts = [run: differing.run, digest: differing.digest, read_at: differing.read_at]

    result =
      if differing.unsynced?,
        do: Exchange.trial(instance, differing.trial.id, :both, opts),
        else: Exchange.side(instance, side(differing), :both, opts)

    {differing.run.run_id, result}
  end

  defp side(%{trial: trial, record: record}) do
    reached = (record && record.points_seq) || 0
    %{trial: trial, record: record, points: [], points_seq: reached, more?: false}
  end

  # Runs that are recorded here and did not come: each is asked for by itself, since a page that
  # moved while we paged may have hidden it.
  defp look_for_missing(instance, tally) do
    with {:ok, known} <- instance.config.store.run_ids_in_experiment(instance, tally.id) do
      missing = Enum.reject(known, &Tally.seen?(tally, &1))
      {:ok, Tally.add(tally, in_parallel(instance, missing, &ask_for(instance, &1)))}
    end
  end

  defp ask_for(instance, run_id) do
    read_at = Metric.now()

    result =
      with {:ok, %Run{} = run} <- Instance.request(instance, {:get_run, run_id}),
           {:ok, [{record, trial, _}]} <-
             instance.config.store.local_sides(instance, [{run_id, nil}]),
           {:ok, report} <- bring_in_step(instance, {run, read_at}, record, trial) do
        {:ok, Report.add_requests(report, 1)}
      else
        {:error, %Error{kind: :not_found}} -> {:error, gone(run_id)}
        error -> error
      end

    {run_id, result}
  end

  defp bring_in_step(instance, {run, read_at}, record, trial) do
    if trial == nil or run.lifecycle_stage == :deleted do
      with {:ok, [report]} <- Mirror.put_all(instance, [{run, record, nil}]), do: {:ok, report}
    else
      Exchange.trial(instance, trial.id, :both, run: run, read_at: read_at)
    end
  end

  defp gone(id) do
    message = "run #{id} is gone from MLflow; MLflow.Runs.unlink/2 lets its trial get a new one"
    Error.new(:not_found, "experiment", message)
  end

  defp push_new(instance, %Experiment{experiment_id: id} = experiment, tally) do
    with {:ok, trials} <- Experiments.trials_without_run(instance, experiment) do
      outcomes =
        in_parallel(instance, trials, fn trial ->
          {trial.id, Exchange.trial(instance, trial.id, :push, experiment_id: id)}
        end)

      {:ok, tally |> Tally.expect(Enum.map(trials, & &1.id)) |> Tally.add(outcomes)}
    end
  end

  # Runs that carry the tag of a trial which has another run: of a creation that arrived long after
  # it was given up, or somebody's copies. They are told of, and left alone.
  defp find_duplicates(instance, tally) do
    twins = Tally.twins(tally)
    asked = for run_ids <- twins, run_id <- run_ids, do: {run_id, nil}

    with {:ok, sides} <- instance.config.store.local_sides(instance, asked) do
      linked = for {%RunRecord{model_trial_id: id} = record, _, _} <- sides, id, do: record
      linked = MapSet.new(linked, & &1.mlflow_run_id)
      {:ok, %{tally | duplicates: Enum.flat_map(twins, &beside_linked(&1, linked))}}
    end
  end

  defp beside_linked(run_ids, linked) do
    case Enum.split_with(run_ids, &MapSet.member?(linked, &1)) do
      {[_ | _], others} -> others
      {[], _} -> []
    end
  end

  # Whatever went wrong unseen would show here: a run without a record, or a trial without a run,
  # that is not among the failures.
  defp check_counts(instance, experiment, tally) do
    with {:ok, recorded} <- instance.config.store.run_ids_in_experiment(instance, tally.id),
         {:ok, waiting} <- Experiments.trials_without_run(instance, experiment) do
      {:ok, Tally.check(tally, recorded, Enum.map(waiting, & &1.id))}
    end
  end

  defp in_parallel(instance, items, fun) do
    options = [max_concurrency: instance.config.concurrency, timeout: :infinity, ordered: false]
    items |> Task.async_stream(fun, options) |> Enum.map(fn {:ok, outcome} -> outcome end)
  end
end
