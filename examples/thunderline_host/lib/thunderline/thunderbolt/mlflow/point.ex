defmodule Thunderline.Thunderbolt.MLflow.Point do
  @moduledoc "A point of a metric's series."

  use MLflow.Ash.Point,
    domain: Thunderline.Thunderbolt.Domain,
    repo: Thunderline.Repo,
    run: Thunderline.Thunderbolt.MLflow.Run
end
