defmodule MLflow.TrackableRecords do
  @moduledoc """
  Records of host applications. They stand here since a protocol is consolidated before tests are
  compiled.
  """

  defmodule Training do
    @derive {MLflow.Trackable,
             name: :title,
             status: :state,
             statuses: [done: :finished, broken: :failed],
             params: [:config, :seed],
             metrics: [:scores, :loss],
             tags: :labels,
             completed_at: :ended_at}
    defstruct [:id, :title, :state, :config, :seed, :scores, :loss, :labels, :ended_at]
  end

  # Thunderline's table, as an Ash record or an Ecto struct has it.
  defmodule TableShape do
    defstruct [
      :id,
      :trial_id,
      :model_run_id,
      :status,
      :metrics,
      :parameters,
      :spectral_norm,
      :mlflow_run_id,
      :artifact_uri,
      :duration_ms,
      :inserted_at,
      :updated_at
    ]
  end

  # The shape that its phase-5 document speaks of.
  defmodule DocumentShape do
    defstruct [
      :id,
      :trial_id,
      :status,
      :hyperparameters,
      :final_accuracy,
      :final_loss,
      :best_metric_value,
      :started_at,
      :completed_at,
      :spectral_norm,
      :inserted_at
    ]
  end

  defmodule Stranger do
    defstruct [:id, :colour]
  end
end
