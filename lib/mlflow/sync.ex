defmodule MLflow.Sync do
  @moduledoc """
  The four sync jobs, as functions that do the work at once and wait for it.

  `MLflow.SyncWorker` queues them, which is what an application should use: a queued job survives
  crashes and dead servers. These are for tasks, tests and IEx.

  Each answers `{:ok, report}`, a map with string keys, or `{:error, %MLflow.Error{}}`. The report
  of one trial or run has

  | key | what |
  |---|---|
  | `"mlflow_run_id"` | the run |
  | `"creation"` | `"not_needed"`, `"created"`, or `"adopted"` (an earlier attempt's run was found by our tag) |
  | `"pushed"`, `"pulled"` | how many fields, tags, params and points went each way |
  | `"conflicts"` | what changed on both sides, with both values and the winner |
  | `"duplicates"` | further runs that carry the trial's tag |
  | `"requests"`, `"writes"` | requests sent, and those among them that write |

  A new finished trial costs 3 requests (`runs/create`, `runs/log-batch`, `runs/update`), a running
  one 2, an unchanged one none.
  """

  alias MLflow.{Error, Experiments, Instance, Telemetry}
  alias MLflow.Sync.{Exchange, WholeExperiment}

  @type report :: map
  @type result :: {:ok, report} | {:error, Error.t()}

  @doc "Brings a trial to MLflow: creates the run that is missing, sends what is new."
  @spec trial_to_mlflow(String.t(), keyword) :: result
  def trial_to_mlflow(trial_id, opts \\ []) do
    span(:sync_trial_to_mlflow, trial_id, opts, fn instance ->
      with {:ok, trial} <- instance.config.store.fetch_trial(instance, trial_id),
           do: Exchange.trial(instance, trial, :push)
    end)
  end

  @doc """
  Brings a run from MLflow: its record is created or updated and, where a trial is linked to it,
  what changed on the server is written into the trial.
  """
  @spec mlflow_to_trial(String.t(), keyword) :: result
  def mlflow_to_trial(mlflow_run_id, opts \\ []) do
    span(:sync_mlflow_to_trial, mlflow_run_id, opts, fn instance ->
      with {:ok, run} <- Instance.request(instance, {:get_run, mlflow_run_id}),
           {:ok, record} <- instance.config.store.fetch_run(instance, run.run_id),
           {:ok, trial} <- WholeExperiment.linked_trial(instance, run, record),
           {:ok, report} <- pull(instance, run, record, trial) do
        {:ok, Map.update!(report, "requests", &(&1 + 1))}
      end
    end)
  end

  @doc """
  Compares a whole experiment, named by MLflow's id, its record's id or its name, and brings both
  sides in step: trials without a run are pushed, foreign runs are recorded.

  Costs ⌈runs / 1000⌉ + 1 requests, and then only what differs. The report counts `"runs"`,
  `"synced"`, `"unchanged"`, `"pushed"`, `"pulled"`, and lists `"failed"` and why, and as `"duplicates"` the runs
  that carry the tag of a trial that has another run; a run that fails fails alone.
  """
  @spec experiment(String.t() | integer, keyword) :: result
  def experiment(experiment_id, opts \\ []) do
    span(:sync_experiment, experiment_id, opts, &WholeExperiment.sync(&1, experiment_id))
  end

  @doc "Creates a trial's run in the given experiment, unless the trial has one, and pushes it."
  @spec create_run(String.t(), String.t() | integer, keyword) :: result
  def create_run(trial_id, experiment_id, opts \\ []) do
    span(:create_run, trial_id, opts, fn instance ->
      with {:ok, trial} <- instance.config.store.fetch_trial(instance, trial_id),
           {:ok, experiment_id} <- Experiments.resolve(instance, experiment_id),
           do: Exchange.trial(instance, trial, :push, experiment_id: experiment_id)
    end)
  end

  @doc "Finds or creates an experiment by name and records it, linked to a model run where given."
  @spec ensure_experiment(String.t(), keyword) :: result
  def ensure_experiment(name, opts \\ []) do
    span(:ensure_experiment, name, opts, fn instance ->
      attrs = for {:model_run_id, id} <- opts, id != nil, into: %{}, do: {:model_run_id, id}

      with {:ok, id} <- Experiments.find_or_create(instance, name, attrs),
           do: {:ok, %{"experiment_id" => id}}
    end)
  end

  defp pull(instance, run, record, nil), do: WholeExperiment.mirror(instance, run, record)
  defp pull(instance, run, _record, trial), do: Exchange.trial(instance, trial, :pull, run: run)

  defp span(action, target, opts, fun) do
    with {:ok, instance} <- Instance.fetch_enabled(opts) do
      metadata = %{name: instance.name, action: action, target: target}
      Telemetry.span(:sync, metadata, fn -> fun.(instance) end)
    end
  end
end
