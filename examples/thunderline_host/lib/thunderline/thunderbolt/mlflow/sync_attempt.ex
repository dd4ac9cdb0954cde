defmodule Thunderline.Thunderbolt.MLflow.SyncAttempt do
  @moduledoc "An attempt of a sync, however it ended."

  use MLflow.Ash.SyncAttempt,
    domain: Thunderline.Thunderbolt.Domain,
    repo: Thunderline.Repo
end
