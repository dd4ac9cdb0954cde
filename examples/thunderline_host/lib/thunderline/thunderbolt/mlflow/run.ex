defmodule Thunderline.Thunderbolt.MLflow.Run do
  @moduledoc "A run of the MLflow server, and the trial that it belongs to."

  use MLflow.Ash.Run,
    domain: Thunderline.Thunderbolt.Domain,
    repo: Thunderline.Repo,
    experiment: Thunderline.Thunderbolt.MLflow.Experiment,
    trial: Thunderline.Thunderbolt.ModelTrial,
    model_run: Thunderline.Thunderbolt.ModelRun
end
