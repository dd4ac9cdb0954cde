defmodule MLflow.ModelRun do
  @moduledoc """
  A search, a training job: what groups trials. Thunderline's `ModelRun`.

  `run_id` is the application's own name for it. `state` is one of `:initialized`, `:running`,
  `:succeeded`, `:failed`, `:cancelled`.
  """

  @type t :: %__MODULE__{}

  defstruct [
    :id,
    :run_id,
    :state,
    :search_space_version,
    :max_params,
    :requested_trials,
    :completed_trials,
    :best_metric,
    :error_message,
    :metadata,
    :bridge_payload,
    :bridge_result,
    :mlflow_experiment_id,
    :started_at,
    :finished_at,
    :inserted_at,
    :updated_at
  ]

  @states [:initialized, :running, :succeeded, :failed, :cancelled]

  @doc "The states there are."
  @spec states() :: [atom]
  def states, do: @states
end
