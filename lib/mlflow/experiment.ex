defmodule MLflow.Experiment do
  @moduledoc """
  An experiment as the MLflow server answers it: a named group of runs.

  Times are in ms since the epoch; servers before 2.0 do not send them.
  """

  @type t :: %__MODULE__{
          experiment_id: String.t(),
          name: String.t(),
          artifact_location: String.t() | nil,
          lifecycle_stage: :active | :deleted | String.t(),
          creation_time: integer | nil,
          last_update_time: integer | nil,
          tags: %{String.t() => String.t()}
        }

  @enforce_keys [:experiment_id]
  defstruct [
    :experiment_id,
    :name,
    :artifact_location,
    :creation_time,
    :last_update_time,
    lifecycle_stage: :active,
    tags: %{}
  ]
end
