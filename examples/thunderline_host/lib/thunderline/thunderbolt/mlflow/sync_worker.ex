defmodule Thunderline.Thunderbolt.MLflow.SyncWorker do
  @moduledoc "The name under which jobs were queued before; they still run."

  use MLflow.SyncWorker
end
