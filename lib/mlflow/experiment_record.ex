defmodule MLflow.ExperimentRecord do
  @moduledoc """
  What the application keeps of an experiment: a row of `mlflow_experiments`.
  """

  @type t :: %__MODULE__{}

  defstruct [
    :id,
    :mlflow_experiment_id,
    :name,
    :artifact_location,
    :lifecycle_stage,
    :tags,
    :model_run_id,
    :synced_at,
    :inserted_at,
    :updated_at
  ]

  @doc false
  def from_experiment(%MLflow.Experiment{} = experiment) do
    %{
      mlflow_experiment_id: experiment.experiment_id,
      name: experiment.name,
      artifact_location: experiment.artifact_location,
      lifecycle_stage: to_string(experiment.lifecycle_stage),
      tags: experiment.tags
    }
  end
end
