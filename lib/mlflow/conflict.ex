defmodule MLflow.Conflict do
  @moduledoc """
  A field that was changed on both sides, or a param that MLflow could not change, and whose value
  counted; `MLflow.conflicts/1` lists them.

      iex> {:ok, [conflict]} = MLflow.conflicts(trial: "t1")
      iex> {conflict.field, conflict.key, conflict.local, conflict.remote, conflict.winner}
      {"param", "lr", "0.1", "0.2", :remote}

  `MLflow.Policy` tells who wins.
  """

  @typedoc """
    * `attempt_id` - the `id` of the `MLflow.SyncAttempt` that met it
    * `field` - `"status"`, `"name"`, `"end_time"`, `"param"`, `"tag"`, …
    * `key` - which param, tag or metric
    * `local`, `remote` - the trial's value and the run's, as text; `nil` where there was none
    * `at` - when the attempt began
  """
  @type t :: %__MODULE__{
          id: pos_integer,
          attempt_id: pos_integer,
          mlflow_run_id: String.t() | nil,
          model_trial_id: String.t() | nil,
          field: String.t(),
          key: String.t() | nil,
          local: String.t() | nil,
          remote: String.t() | nil,
          winner: :local | :remote,
          at: DateTime.t()
        }

  defstruct [
    :id,
    :attempt_id,
    :mlflow_run_id,
    :model_trial_id,
    :field,
    :key,
    :local,
    :remote,
    :winner,
    :at
  ]
end
