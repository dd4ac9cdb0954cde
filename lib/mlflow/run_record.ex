defmodule MLflow.RunRecord do
  @moduledoc """
  What the application keeps of a run: a row of `mlflow_runs`.

  `start_time` and `end_time` are in ms since the epoch, as MLflow has them. `base` is what both
  sides agreed on last, and opaque. `sync_error` is the error of the last sync, if it failed.
  """

  @fields [
    :id,
    :mlflow_run_id,
    :mlflow_experiment_id,
    :run_name,
    :status,
    :start_time,
    :end_time,
    :artifact_uri,
    :lifecycle_stage,
    :params,
    :metrics,
    :tags,
    :model_trial_id,
    :model_run_id,
    :base,
    :points_seq,
    :sync_error,
    :synced_at,
    :inserted_at,
    :updated_at
  ]

  @type t :: %__MODULE__{}

  defstruct @fields

  @doc false
  def fields, do: @fields

  @doc false
  # The columns that mirror the server's run.
  def from_run(%MLflow.Run{} = run) do
    %{
      mlflow_run_id: run.run_id,
      mlflow_experiment_id: run.experiment_id,
      run_name: run.name,
      status: to_string(run.status),
      start_time: run.start_time,
      end_time: run.end_time,
      artifact_uri: run.artifact_uri,
      lifecycle_stage: to_string(run.lifecycle_stage),
      params: run.params,
      metrics: run.metrics,
      tags: run.tags
    }
  end
end
