defmodule Thunderline.Thunderbolt.Domain do
  @moduledoc "Searches, their trials, and what MLflow knows of them."

  use Ash.Domain

  resources do
    resource Thunderline.Thunderbolt.ModelRun
    resource Thunderline.Thunderbolt.ModelTrial

    resource Thunderline.Thunderbolt.MLflow.Experiment
    resource Thunderline.Thunderbolt.MLflow.Run
    resource Thunderline.Thunderbolt.MLflow.Point
    resource Thunderline.Thunderbolt.MLflow.SyncAttempt
    resource Thunderline.Thunderbolt.MLflow.Conflict
  end
end
