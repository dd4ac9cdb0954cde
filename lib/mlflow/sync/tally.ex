defmodule MLflow.Sync.Tally do
  @moduledoc false
  # What an experiment's sync has come to so far, and what it makes of it in the end.

  alias MLflow.Error
  alias MLflow.Sync.Report

  @enforce_keys [:id, :requests]
  defstruct [
    :id,
    :requests,
    runs: MapSet.new(),
    trials: MapSet.new(),
    tagged: %{},
    done: [],
    failed: [],
    duplicates: [],
    unaccounted: 0
  ]

  @type t :: %__MODULE__{}
  @type outcome :: {id :: String.t(), {:ok, Report.t()} | {:error, Error.t()}}

  @doc "Begins with the requests that were sent already."
  @spec new(String.t(), non_neg_integer) :: t
  def new(id, requests), do: %__MODULE__{id: id, requests: requests}

  @doc "A page of runs that came."
  @spec add_page(t, [tuple]) :: t
  def add_page(tally, seen) do
    runs = Enum.into(seen, tally.runs, fn {run_id, _tag, _digest} -> run_id end)

    tagged =
      for {run_id, tag, _digest} <- seen, tag != nil, reduce: tally.tagged do
        tagged -> Map.update(tagged, tag, [run_id], &[run_id | &1])
      end

    %{tally | runs: runs, tagged: tagged, requests: tally.requests + 1}
  end

  @doc "Outcomes of runs and trials that were brought in step, or could not be."
  @spec add(t, [outcome]) :: t
  def add(tally, outcomes), do: Enum.reduce(outcomes, tally, &add_one/2)

  defp add_one({_id, {:ok, report}}, tally) do
    runs = MapSet.put(tally.runs, report["mlflow_run_id"])
    %{tally | runs: runs, done: [report | tally.done]}
  end

  defp add_one({id, {:error, error}}, tally), do: %{tally | failed: [{id, error} | tally.failed]}

  @doc "Trials that are to have a run in the end; one that is created later is the next sync's."
  @spec expect(t, [String.t()]) :: t
  def expect(tally, trial_ids), do: %{tally | trials: MapSet.new(trial_ids)}

  @spec seen?(t, String.t()) :: boolean
  def seen?(tally, run_id), do: MapSet.member?(tally.runs, run_id)

  @doc "The runs that carry a tag together with another."
  @spec twins(t) :: [[String.t()]]
  def twins(tally), do: for({_tag, [_, _ | _] = run_ids} <- tally.tagged, do: run_ids)

  @doc "Compares the counts of both sides: every run has a record, and every trial a run, or failed."
  @spec check(t, [String.t()], [String.t()]) :: t
  def check(tally, recorded_run_ids, waiting_trial_ids) do
    failed = MapSet.new(tally.failed, fn {id, _error} -> id end)
    recorded = MapSet.new(recorded_run_ids)

    unrecorded =
      Enum.count(tally.runs, &(not (MapSet.member?(recorded, &1) or MapSet.member?(failed, &1))))

    without_run =
      Enum.count(
        waiting_trial_ids,
        &(MapSet.member?(tally.trials, &1) and not MapSet.member?(failed, &1))
      )

    %{tally | unaccounted: unrecorded + without_run}
  end

  @doc """
  The report, or an error. One bad run fails alone. What trying again may mend makes the whole job
  try again, which is harmless: what is in step by then costs nothing.
  """
  @spec verdict(t) :: {:ok, Report.t()} | {:error, Error.t()}
  def verdict(%__MODULE__{unaccounted: count} = tally) when count > 0 do
    message =
      "#{count} runs or trials of experiment #{tally.id} are neither in step nor among the " <>
        "#{length(tally.failed)} that failed; something else is writing to it, and the next sync looks again"

    {:error, Error.new(:conflict, "experiment", message, retryable: true)}
  end

  def verdict(%__MODULE__{} = tally) do
    case for {_id, %Error{retryable: true} = error} <- tally.failed, do: error do
      [] -> {:ok, report(tally)}
      errors -> {:error, of_many(errors, tally)}
    end
  end

  # The job waits for as long as any of them was told to.
  defp of_many([first | _] = errors, tally) do
    message =
      "#{length(tally.failed)} runs and trials failed, beside #{MapSet.size(tally.runs)} runs " <>
        "that were looked at; the first with: " <>
        Exception.message(first)

    waits = for %Error{retry_after: ms} when ms != nil <- errors, do: ms
    retry_after = if waits != [], do: Enum.max(waits)
    %Error{first | operation: "experiment", message: message, retry_after: retry_after}
  end

  defp report(tally) do
    runs = MapSet.size(tally.runs)
    changed = Enum.filter(tally.done, &Report.changed?/1)
    failed_runs = Enum.count(tally.failed, fn {id, _error} -> seen?(tally, id) end)

    %{
      "experiment_id" => tally.id,
      "runs" => runs,
      "synced" => length(changed),
      "unchanged" => runs - length(changed) - failed_runs,
      "pushed" => Enum.count(changed, &Report.pushed?/1),
      "pulled" => Enum.count(changed, &(&1["pulled"] > 0)),
      "failed" => Enum.map(tally.failed, fn {id, error} -> Report.failure(error, id) end),
      "duplicates" => tally.duplicates,
      "conflicts" => Enum.flat_map(tally.done, &Report.conflicts/1),
      "requests" => tally.requests + total(tally.done, "requests"),
      "writes" => total(tally.done, "writes")
    }
  end

  defp total(reports, key), do: reports |> Enum.map(& &1[key]) |> Enum.sum()
end
