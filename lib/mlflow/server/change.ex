defmodule MLflow.Server.Change do
  @moduledoc """
  A run that changed in an `MLflow.Server`, told after the change was committed.

  `kinds` are what happened since the run was told of last, each once and in the order in which they
  happened first:

  | kind | what |
  |---|---|
  | `:created` | the run is new |
  | `:updated` | its status, name or end |
  | `:logged` | metrics, params, tags, inputs or outputs |
  | `:deleted`, `:restored` | it was deleted, or brought back |
  """

  @type kind :: :created | :updated | :logged | :deleted | :restored

  @type t :: %__MODULE__{run_id: String.t(), experiment_id: String.t(), kinds: [kind]}

  @enforce_keys [:run_id, :experiment_id, :kinds]
  defstruct [:run_id, :experiment_id, :kinds]
end
