defmodule Demo.Recorder do
  @moduledoc """
  Keeps a search as trials, and has each one synchronised as soon as it has ended, while
  the search goes on.

  What the search measured is also kept here, apart from the library under test, for
  `verify.py` to compare MLflow's database with.
  """

  use Agent

  alias MLflow.{SyncWorker, Trials}

  @spec start_link() :: Agent.on_start()
  def start_link, do: Agent.start_link(fn -> %{} end, name: __MODULE__)

  @doc "The functions `Demo.Search.run/3` calls; `ended` is told of every trial's end."
  @spec callbacks(MLflow.ModelRun.t(), keyword, (map -> any)) :: map
  def callbacks(model_run, opts, ended) do
    %{
      started: &started(&1, &2, model_run, opts),
      epoch: &epoch(&1, &2, &3, opts),
      ended: fn trial, outcome -> ended.(ended(trial, outcome, opts)) end
    }
  end

  @doc "What was recorded, in the order of the search."
  @spec recorded() :: [map]
  def recorded,
    do: Agent.get(__MODULE__, &(&1 |> Map.values() |> Enum.sort_by(fn t -> t.trial_id end)))

  defp started(index, params, model_run, opts) do
    name = "iris-" <> String.pad_leading("#{index}", 2, "0")

    {:ok, trial} =
      Trials.create(
        %{
          trial_id: name,
          model_run_id: model_run.id,
          name: name,
          status: :running,
          parameters: params,
          started_at: DateTime.utc_now(),
          tags: %{"dataset" => "iris"}
        },
        opts
      )

    put(trial.id, %{id: trial.id, trial_id: name, params: params, history: []})
    trial
  end

  defp epoch(trial, epoch, measures, opts) do
    :ok = Trials.log_metrics(trial.id, measures, [step: epoch] ++ opts)
    points = for {key, value} <- measures, do: [key, value, epoch]
    update(trial.id, &Map.update!(&1, :history, fn history -> history ++ points end))
  end

  defp ended(trial, outcome, opts) do
    now = DateTime.utc_now()

    {:ok, _trial} =
      Trials.update(
        trial.id,
        %{
          status: outcome.status,
          metrics: outcome.metrics,
          warnings: outcome.warnings,
          completed_at: now
        },
        opts
      )

    {:ok, job} = SyncWorker.sync_trial_to_mlflow(trial.id, opts)
    update(trial.id, &Map.merge(&1, Map.put(outcome, :job, job)))
  end

  defp put(id, record), do: Agent.update(__MODULE__, &Map.put(&1, id, record))

  defp update(id, fun) do
    Agent.get_and_update(__MODULE__, fn records ->
      record = fun.(Map.fetch!(records, id))
      {record, Map.put(records, id, record)}
    end)
  end
end
