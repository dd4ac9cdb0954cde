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

  alias MLflow.{
    Config,
    Conflict,
    Error,
    ExperimentRecord,
    Instance,
    RunRecord,
    SyncAttempt,
    Trial
  }

  @type ok :: :ok | {:error, Error.t()}
  @type result(value) :: {:ok, value} | {:error, Error.t()}

  @typedoc """
    * `:fresh` - nobody tried before: create the run
    * `{:unknown, since}` - an earlier attempt, at it until `since` (ms), did not say how it ended:
      search for our tag first
    * `:created` - the run exists
  """
  @type claim :: {:fresh | {:unknown, since :: integer} | :created, RunRecord.t()}

  @typedoc """
  What came from the server for a trial; `nil` and empty where nothing changed. `points` are those
  of all series that were pulled, known ones among them; `metric_values` are the metrics of which
  the trial has another value now.
  """
  @type pull :: %{
          name: String.t() | nil,
          status: MLflow.Run.status() | nil,
          start_time: integer | nil,
          end_time: integer | nil,
          artifact_uri: String.t() | nil,
          params: map,
          tags: map,
          deleted_tags: [String.t()],
          points: [MLflow.Metric.point()],
          metric_values: %{String.t() => MLflow.Metric.value()}
        }

  @doc false
  # A pull that changed nothing.
  @spec nothing_pulled() :: pull
  def nothing_pulled do
    %{
      name: nil,
      status: nil,
      start_time: nil,
      end_time: nil,
      artifact_uri: nil,
      params: %{},
      tags: %{},
      deleted_tags: [],
      points: [],
      metric_values: %{}
    }
  end

  @typedoc """
  What a push needs to know: the trial, its run's record, and the points after that record's
  watermark - at most 50,000 of them, and `more?` where there are more. `points_seq` is the watermark
  that stands for having pushed these.
  """
  @type side :: %{
          trial: Trial.t(),
          record: RunRecord.t() | nil,
          points: [MLflow.Metric.point()],
          points_seq: integer,
          more?: boolean
        }

  @typedoc """
  An attempt of a sync: the fields of `MLflow.SyncAttempt` that are known, `started_at` in ms, and
  `model_trial_id` as the caller named the trial. Numbers that are not given are 0.
  """
  @type attempt :: %{
          required(:action) => atom,
          required(:target) => String.t(),
          required(:direction) => :push | :pull | :both,
          required(:result) => :ok | :error | :snooze | :cancel,
          required(:started_at) => integer,
          required(:duration_ms) => non_neg_integer,
          optional(atom) => term
        }

  @typedoc """
  Which attempts or conflicts: `:action`, `:target`, `:result`, `:field` and `:run` by their names,
  `:trial` by `id` or `trial_id`, those since `:since` (ms), and no more than `:limit`. `nil` is any.
  """
  @type filter :: %{optional(atom) => String.t() | integer | nil}

  @doc "Opens what the store needs; the handle is kept in the instance."
  @callback open(Config.t()) :: result(term)
  @callback close(Instance.t()) :: :ok

  @doc """
  Keeps a search as a training bridge reports it, found by its `:run_id` or created; answers its id.

  `attrs` are fields of `MLflow.ModelRun`, all of them optional but `:run_id`.
  """
  @callback record_model_run(Instance.t(), attrs :: map) :: result(id :: String.t())

  @doc """
  Keeps a trial as a training bridge reports it, found by its `:trial_id` or created; answers its id.

  `attrs` are fields of `MLflow.ModelTrial`. Where the host writes its trials itself, this only finds
  the one that it has written.
  """
  @callback record_trial(Instance.t(), attrs :: map) :: result(id :: String.t())

  @doc "The ids of a search's trials, by the search's id, and whether each has ended."
  @callback trials_of_model_run(Instance.t(), model_run_id :: String.t()) ::
              result([{id :: String.t(), ended? :: boolean}])

  @doc """
  Appends points to the history of a trial (by `id` or `trial_id`), and answers how many are new.
  """
  @callback append_points(Instance.t(), trial_id :: String.t(), [MLflow.Metric.point()]) ::
              result(new_points :: non_neg_integer)

  @doc "The points of a trial (by `id` or `trial_id`), of one metric or of all, by key, step and time."
  @callback trial_points(Instance.t(), trial_id :: String.t(), key :: String.t() | nil) ::
              result([MLflow.Metric.point()])

  @doc "The same of a run: those of its trial where it has one here."
  @callback run_points(Instance.t(), mlflow_run_id :: String.t(), key :: String.t() | nil) ::
              result([MLflow.Metric.point()])

  @doc "A trial by its primary key or by the application's own trial id."
  @callback fetch_trial(Instance.t(), String.t()) :: result(Trial.t())

  @doc "A trial as `fetch_trial/2` finds it, with all that a push needs, at once."
  @callback load_for_sync(Instance.t(), trial_id :: String.t()) :: result(side)

  @doc """
  What is known here of many runs, given with the trial that their tag names; in their order.

  The trial is the one that a run's record is linked to or, where that names none, the one that the
  tag names (by `id` or `trial_id`) unless it has another run. `unsynced?` tells whether the trial
  has points that the server has not seen.
  """
  @callback local_sides(Instance.t(), [
              {mlflow_run_id :: String.t(), trial_tag :: String.t() | nil}
            ]) ::
              result([{RunRecord.t() | nil, Trial.t() | nil, unsynced? :: boolean}])

  @doc "Trials of an experiment that have no run yet. `nil` stands for trials that name none."
  @callback trials_without_run(Instance.t(), [experiment_id :: String.t() | nil]) ::
              result([Trial.t()])

  @doc "Ids of trials that want a sync: unfinished, failed to sync, or changed since."
  @callback due_trials(Instance.t(), limit :: pos_integer) :: result([String.t()])

  @doc """
  Writes what a pull found into the trial, unless somebody else wrote there since it was read, which is
  a retryable `:conflict`; answers how many of its points are new, and the version of
  the trial that is in step: the one just written, unless somebody else wrote since it was read.
  """
  @callback update_trial(Instance.t(), Trial.t(), pull) ::
              result({new_points :: non_neg_integer, version :: integer})

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

  @doc "`put_run/2` for many, in few writes; answers how many. After an error some may be written."
  @callback put_runs(Instance.t(), [attrs :: map]) :: result(non_neg_integer)

  @doc "Keeps the error of a failed sync beside the trial's run record."
  @callback put_sync_error(Instance.t(), Trial.t(), Error.t()) :: ok

  @doc "The record of a run, by MLflow's run id."
  @callback fetch_run(Instance.t(), mlflow_run_id :: String.t()) :: result(RunRecord.t() | nil)

  @doc "The record of a trial's run, or of the claim to create it."
  @callback fetch_run_by_trial(Instance.t(), trial_id :: String.t()) ::
              result(RunRecord.t() | nil)

  @doc """
  Parts a trial from this run, if it still is the trial's, so that its next sync creates a new one. A
  claim stays, for nobody knows what will come of it.
  """
  @callback unlink_run(Instance.t(), Trial.t(), mlflow_run_id :: String.t()) :: ok

  @doc "The run ids of an experiment's records; claims without a run have none."
  @callback run_ids_in_experiment(Instance.t(), experiment_id :: String.t()) ::
              result([String.t()])

  @doc """
  Which of these runs need no look: recorded with this digest and no error, and their trial, where
  there is one, unchanged since. A store that keeps no digests may answer none.
  """
  @callback in_step(Instance.t(), [
              {mlflow_run_id :: String.t(), trial_tag :: String.t() | nil, digest :: integer}
            ]) :: result([String.t()])

  @callback put_experiment(Instance.t(), attrs :: map) :: result(ExperimentRecord.t())

  @doc "Keeps points of a run that has no trial here, and answers how many are new."
  @callback put_run_points(Instance.t(), mlflow_run_id :: String.t(), [MLflow.Metric.point()]) ::
              result(new_points :: non_neg_integer)

  @doc "Keeps an attempt of a sync and the conflicts it met, as its report has them."
  @callback record_sync(Instance.t(), attempt, conflicts :: [%{String.t() => term}]) :: ok

  @doc "Attempts, newest first."
  @callback sync_history(Instance.t(), filter) :: result([SyncAttempt.t()])

  @doc "Conflicts, newest first."
  @callback conflicts(Instance.t(), filter) :: result([Conflict.t()])

  @doc "Deletes the attempts that began before a time (ms), with their conflicts; answers how many."
  @callback prune_history(Instance.t(), before :: integer) :: result(non_neg_integer)

  @doc "An experiment record by its primary key, MLflow's id or its name."
  @callback fetch_experiment(Instance.t(), String.t()) :: result(ExperimentRecord.t() | nil)
end
