defmodule MLflow.SyncAttempt do
  @moduledoc """
  One attempt of a sync, however it ended; `MLflow.history/1` lists them.

      iex> {:ok, [attempt | _]} = MLflow.history(trial: "t1")
      iex> {attempt.action, attempt.result, attempt.pushed, attempt.requests}
      {:sync_trial_to_mlflow, :ok, 31, 3}

  `result` is what became of it:

    * `:ok` - it was done, whatever little that was
    * `:error` - it failed in a way that may pass; a job tries again
    * `:snooze` - it was told to wait; a job waits and tries again
    * `:cancel` - it failed in a way that trying again cannot mend
  """

  @typedoc """
    * `action` - which of the functions of `MLflow.Sync`: `:sync_trial_to_mlflow`,
      `:sync_mlflow_to_trial`, `:sync_experiment`, `:create_run` or `:ensure_experiment`
    * `target` - the trial, run or experiment, as it was named in the call
    * `model_trial_id`, `mlflow_run_id`, `mlflow_experiment_id` - what it was about, where known
    * `pushed`, `pulled` - how many fields, tags, params and points went each way; of an experiment,
      how many runs
    * `conflicts` - how many; `MLflow.conflicts/1` has them
    * `requests`, `writes` - requests sent, and those among them that write
    * `counts` - the numbers of an experiment's report, such as `"runs"` and `"failed"`
    * `error` - why it failed
    * `duration_ms` - ms that it took
  """
  @type t :: %__MODULE__{
          id: pos_integer,
          action: atom,
          target: String.t(),
          direction: :push | :pull | :both,
          result: :ok | :error | :snooze | :cancel,
          mlflow_run_id: String.t() | nil,
          model_trial_id: String.t() | nil,
          mlflow_experiment_id: String.t() | nil,
          pushed: non_neg_integer,
          pulled: non_neg_integer,
          conflicts: non_neg_integer,
          requests: non_neg_integer,
          writes: non_neg_integer,
          counts: %{String.t() => number} | nil,
          error: MLflow.Error.t() | nil,
          started_at: DateTime.t(),
          duration_ms: non_neg_integer
        }

  defstruct [
    :id,
    :action,
    :target,
    :direction,
    :result,
    :mlflow_run_id,
    :model_trial_id,
    :mlflow_experiment_id,
    :counts,
    :error,
    :started_at,
    :duration_ms,
    pushed: 0,
    pulled: 0,
    conflicts: 0,
    requests: 0,
    writes: 0
  ]

  @actions ~w(sync_trial_to_mlflow sync_mlflow_to_trial sync_experiment create_run
              ensure_experiment)a

  # The names that rows of any store may hold; no other becomes an atom.
  @doc false
  def actions, do: @actions
  @doc false
  def directions, do: [:push, :pull, :both]
  @doc false
  def results, do: [:ok, :error, :snooze, :cancel]
end
