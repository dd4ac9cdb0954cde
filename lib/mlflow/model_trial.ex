defmodule MLflow.ModelTrial do
  @moduledoc """
  A trial as the embedded store keeps it: Thunderline's `ModelTrial`, in both of its shapes.

  Thunderline's table has `metrics`, `parameters` and `spectral_norm`; its phase-5 document speaks
  of `hyperparameters`, `final_accuracy`, `final_loss`, `best_metric_value`, `started_at` and
  `completed_at`. A trial may use either, or both. `status` is one of `:pending`, `:running`,
  `:completed`, `:succeeded`, `:failed`, `:cancelled`, `:skipped`. `duration_ms` is in ms.
  """

  alias MLflow.Trackable.{Fields, Record}
  alias MLflow.Trial

  @type t :: %__MODULE__{}

  defstruct [
    :id,
    :trial_id,
    :model_run_id,
    :mlflow_experiment_id,
    :name,
    :status,
    :metrics,
    :parameters,
    :hyperparameters,
    :tags,
    :spectral_norm,
    :final_accuracy,
    :final_loss,
    :best_metric_value,
    :mlflow_run_id,
    :artifact_uri,
    :duration_ms,
    :rank,
    :warnings,
    :candidate_id,
    :pulse_id,
    :bridge_payload,
    :started_at,
    :completed_at,
    :inserted_at,
    :updated_at
  ]

  @doc false
  # The numbers a trial ends with, by the keys they have in MLflow.
  def final_metrics(row), do: Record.final_metrics(row, Fields.thunderline())

  @doc "Whether nothing more is expected of a trial with this status."
  @spec ended?(atom | nil) :: boolean
  def ended?(status), do: status |> Trial.run_status() |> MLflow.Run.terminal?()

  defimpl MLflow.Trackable do
    # Its metrics became points when they were written.
    def to_trial(record), do: %{Record.to_trial(record, Fields.thunderline()) | points: []}
  end
end
