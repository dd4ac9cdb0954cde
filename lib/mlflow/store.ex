defmodule MLflow.Store do
  @moduledoc """
  Where trials, run records and experiment records are kept.

  The embedded store (`MLflow.Store.Embedded`, SQLite) is the default. Another store implements
  these callbacks over the host's own tables; the sync jobs use nothing else. Each takes the
  instance and answers `{:ok, value}`, `:ok` or `{:error, %MLflow.Error{}}`.

  Two duties hold for every store. A *claim* is taken atomically before a run is created, so that
  two workers never create one for the same trial. And what a pull writes into a trial must not
  come back as a local change: the base that is saved with it already counts it as agreed.
  """

  alias MLflow.{Config, Error, ExperimentRecord, Instance, RunRecord, Trial}

  @type ok :: :ok | {:error, Error.t()}
  @type result(value) :: {:ok, value} | {:error, Error.t()}

  @typedoc """
    * `:fresh` - nobody tried before: create the run
    * `{:unknown, since}` - an earlier attempt, at it until `since` (ms), did not say how it ended:
      search for our tag first
    * `:created` - the run exists
  """
  @type claim :: {:fresh | {:unknown, since :: integer} | :created, RunRecord.t()}

  @typedoc "What came from the server for a trial; `nil` and empty where nothing changed."
  @type pull :: %{
          name: String.t() | nil,
          status: MLflow.Run.status() | nil,
          end_time: integer | nil,
          params: map,
          tags: map,
          deleted_tags: [String.t()],
          points: [MLflow.Metric.point()]
        }

  @doc "Opens what the store needs; the handle is kept in the instance."
  @callback open(Config.t()) :: result(term)
  @callback close(Instance.t()) :: :ok

  @doc "A trial by its primary key or by the application's own trial id."
  @callback fetch_trial(Instance.t(), String.t()) :: result(Trial.t())

  @doc "The trial with the points after a watermark, and the new watermark."
  @callback load_points(Instance.t(), Trial.t(), watermark :: integer) ::
              result({[MLflow.Metric.point()], integer})

  @doc "Trials of an experiment that have no run yet. `nil` stands for trials that name none."
  @callback trials_without_run(Instance.t(), [experiment_id :: String.t() | nil]) ::
              result([Trial.t()])

  @doc "Ids of trials that want a sync: unfinished, failed to sync, or changed since."
  @callback due_trials(Instance.t(), limit :: pos_integer) :: result([String.t()])

  @doc "Writes what a pull found into the trial."
  @callback update_trial(Instance.t(), Trial.t(), pull) :: ok

  @doc "Takes the claim on a trial's run; a live claim of another worker is a `:conflict` error."
  @callback claim_run(Instance.t(), Trial.t(), experiment_id :: String.t()) :: result(claim)

  @doc "Gives a claim back: the server certainly created nothing."
  @callback release_claim(Instance.t(), RunRecord.t()) :: ok

  @doc """
  Leaves a claim behind: nobody knows whether the server created the run. A request that creates it
  was last under way at `since` (ms), which is what a later claim answers.
  """
  @callback abandon_claim(Instance.t(), RunRecord.t(), since :: integer) :: ok

  @doc "Creates or updates a run record, and links the trial to the run where there is one."
  @callback put_run(Instance.t(), attrs :: map) :: result(RunRecord.t())

  @doc "Keeps the error of a failed sync beside the trial's run record."
  @callback put_sync_error(Instance.t(), Trial.t(), Error.t()) :: ok

  @callback fetch_run_by_trial(Instance.t(), trial_id :: String.t()) ::
              result(RunRecord.t() | nil)
  @callback fetch_run(Instance.t(), mlflow_run_id :: String.t()) :: result(RunRecord.t() | nil)
  @callback runs_in_experiment(Instance.t(), experiment_id :: String.t()) ::
              result([RunRecord.t()])

  @callback put_experiment(Instance.t(), attrs :: map) :: result(ExperimentRecord.t())

  @doc "An experiment record by its primary key, MLflow's id or its name."
  @callback fetch_experiment(Instance.t(), String.t()) :: result(ExperimentRecord.t() | nil)
end
