defmodule Thunderline.Thunderbolt.MLflow.Experiment do
  @moduledoc "An experiment of the MLflow server."

  use MLflow.Ash.Experiment,
    domain: Thunderline.Thunderbolt.Domain,
    repo: Thunderline.Repo,
    model_run: Thunderline.Thunderbolt.ModelRun,
    run: Thunderline.Thunderbolt.MLflow.Run
end
