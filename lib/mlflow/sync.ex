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

  Every attempt is kept in the history: see `MLflow.history/1` and `MLflow.conflicts/1`.

  A new finished trial costs 3 requests (`runs/create`, `runs/log-batch`, `runs/update`), a running
  one 2, an unchanged one none.
  """

  alias MLflow.{Config, Error, Experiments, Instance, Metric, Telemetry}
  alias MLflow.Sync.{Exchange, Mirror, Plan, Recorder, Report, WholeExperiment}

  @type report :: map
  @type result :: {:ok, report} | {:error, Error.t()}

  @doc "Brings a trial to MLflow: creates the run that is missing, sends what is new."
  @spec trial_to_mlflow(String.t(), keyword) :: result
  def trial_to_mlflow(trial_id, opts \\ []) do
    about = about(:sync_trial_to_mlflow, trial_id, :push, model_trial_id: trial_id)
    span(about, opts, &Exchange.trial(&1, trial_id, :push))
  end

  @doc """
  Brings a run from MLflow: its record is created or updated and, where a trial is linked to it,
  what changed on the server is written into the trial.

  Costs a request, and one more for each metric: its whole series comes, late points included, into
  the trial (`MLflow.Trials.history/3`) or, where there is none, beside the record
  (`MLflow.Runs.history/3`).
  """
  @spec mlflow_to_trial(String.t(), keyword) :: result
  def mlflow_to_trial(mlflow_run_id, opts \\ []) do
    about = about(:sync_mlflow_to_trial, mlflow_run_id, :pull, mlflow_run_id: mlflow_run_id)

    span(about, opts, fn instance ->
      read_at = Metric.now()

      with {:ok, run} <- Instance.request(instance, {:get_run, mlflow_run_id}),
           tagged = run.tags[Config.trial_tag(instance.config)],
           {:ok, [{record, trial, _unsynced?}]} <-
             instance.config.store.local_sides(instance, [{run.run_id, tagged}]),
           {:ok, report} <- pull(instance, {run, read_at}, record, trial) do
        {:ok, Report.add_requests(report, 1)}
      end
    end)
  end

  @doc """
  Compares a whole experiment, named by MLflow's id, its record's id or its name, and brings both
  sides in step: trials without a run are pushed, foreign runs are recorded.

  Costs ⌈runs / 1000⌉ + 1 requests, and then only what differs. The report counts `"runs"`,
  `"synced"`, `"unchanged"`, `"pushed"`, `"pulled"`, and lists `"failed"` and why, `"conflicts"`, and
  as `"duplicates"` the runs that carry the tag of a trial that has another run. A run that fails fails
  alone; one that cannot be accounted for in the end is an error.
  """
  @spec experiment(String.t() | integer, keyword) :: result
  def experiment(experiment_id, opts \\ []) do
    about = about(:sync_experiment, experiment_id, :both)
    span(about, opts, &WholeExperiment.sync(&1, experiment_id))
  end

  @doc "Creates a trial's run in the given experiment, unless the trial has one, and pushes it."
  @spec create_run(String.t(), String.t() | integer, keyword) :: result
  def create_run(trial_id, experiment_id, opts \\ []) do
    about = about(:create_run, trial_id, :push, model_trial_id: trial_id)

    span(about, opts, fn instance ->
      with {:ok, experiment_id} <- Experiments.resolve(instance, experiment_id),
           do: Exchange.trial(instance, trial_id, :push, experiment_id: experiment_id)
    end)
  end

  @doc "Finds or creates an experiment by name and records it, linked to a model run where given."
  @spec ensure_experiment(String.t(), keyword) :: result
  def ensure_experiment(name, opts \\ []) do
    span(about(:ensure_experiment, name, :push), opts, fn instance ->
      attrs = for {:model_run_id, id} <- opts, id != nil, into: %{}, do: {:model_run_id, id}

      with {:ok, id} <- Experiments.find_or_create(instance, name, attrs),
           do: {:ok, %{"experiment_id" => id}}
    end)
  end

  @doc """
  What `trial_to_mlflow/2` would do, field by field; nothing is written, here or there.

      {:ok, %{"creates" => true, "changes" => changes}} = MLflow.Sync.plan("t1")

  `"changes"` lists maps of `"side"` (`"push"` or `"pull"`), `"field"`, `"key"`, `"from"` and `"to"`;
  `"conflicts"` what both sides changed.
  """
  @spec plan(String.t(), keyword) :: result
  def plan(trial_id, opts \\ []) do
    with {:ok, instance} <- Instance.fetch_enabled(opts),
         do: Plan.trial(instance, trial_id, :push)
  end

  @doc "What `experiment/2` would do: a plan as `plan/2` makes it for each run that is not in step."
  @spec plan_experiment(String.t() | integer, keyword) :: {:ok, [map]} | {:error, Error.t()}
  def plan_experiment(experiment_id, opts \\ []) do
    with {:ok, instance} <- Instance.fetch_enabled(opts),
         do: Plan.experiment(instance, experiment_id)
  end

  # Whoever asks for a run by its id wants all of it, late points included.
  defp pull(instance, {run, _read_at}, record, nil),
    do: Mirror.put_with_history(instance, run, record)

  defp pull(instance, {run, read_at}, _record, trial) do
    opts = [run: run, read_at: read_at, history: :all]
    Exchange.trial(instance, trial.id, :pull, opts)
  end

  defp about(action, target, direction, ids \\ []),
    do: Map.new([action: action, target: to_string(target), direction: direction] ++ ids)

  # What a switched off instance refuses was no attempt.
  defp span(about, opts, fun) do
    with {:ok, instance} <- Instance.fetch_enabled(opts) do
      metadata = %{name: instance.name, action: about.action, target: about.target}

      Recorder.record(instance, about, fn ->
        Telemetry.span(:sync, metadata, fn -> fun.(instance) end)
      end)
    end
  end
end
