defmodule Thunderline.Thunderbolt.MLflow.Conflict do
  @moduledoc "What both sides had changed, and who won."

  use MLflow.Ash.Conflict,
    domain: Thunderline.Thunderbolt.Domain,
    repo: Thunderline.Repo,
    attempt: Thunderline.Thunderbolt.MLflow.SyncAttempt
end
