defmodule MLflow.Trial do
  @moduledoc """
  The application's side of a run, in MLflow's terms: what `MLflow.Trackable` makes of your record
  and what the diff compares.

  `status` is a run's status. Times are in ms since the epoch. `params` and `tags` are strings to
  strings. `points` are `{key, value, step, timestamp}`; a store that keeps the whole history of
  metrics gives only those that the server has not got yet. `version` is when the record was last
  written (ms), so that a change made during a sync is seen by the next; `read` is the store's own, what
  it needs to tell such a change.
  """

  @type t :: %__MODULE__{
          id: String.t(),
          name: String.t() | nil,
          status: MLflow.Run.status(),
          start_time: integer | nil,
          end_time: integer | nil,
          params: %{String.t() => String.t()},
          tags: %{String.t() => String.t()},
          points: [MLflow.Metric.point()],
          artifact_uri: String.t() | nil,
          mlflow_run_id: String.t() | nil,
          mlflow_experiment_id: String.t() | nil,
          model_run_id: String.t() | nil,
          version: integer | nil,
          read: term
        }

  @enforce_keys [:id]
  defstruct [
    :id,
    :name,
    :start_time,
    :end_time,
    :artifact_uri,
    :mlflow_run_id,
    :mlflow_experiment_id,
    :model_run_id,
    :version,
    :read,
    status: :running,
    params: %{},
    tags: %{},
    points: []
  ]

  @statuses %{
    pending: :scheduled,
    running: :running,
    completed: :finished,
    succeeded: :finished,
    failed: :failed,
    cancelled: :killed,
    skipped: :killed
  }

  @doc """
  The run status of a trial status. A trial without one has been recorded and not begun.

      iex> MLflow.Trial.run_status(:succeeded)
      :finished
  """
  @spec run_status(atom | nil) :: MLflow.Run.status()
  def run_status(nil), do: :scheduled
  def run_status(status), do: Map.fetch!(@statuses, status)

  @doc "The trial statuses there are."
  @spec statuses() :: [atom]
  def statuses, do: @statuses |> Map.keys() |> Enum.sort()

  @doc false
  # Each with the run status it stands for.
  def statuses_of_runs, do: Map.to_list(@statuses)

  @doc """
  The trial status of a run status. What a server invents beyond MLflow's own statuses never
  reaches a trial.

      iex> MLflow.Trial.from_run_status(:finished)
      :succeeded
  """
  @spec from_run_status(MLflow.Run.status()) :: atom
  def from_run_status(:scheduled), do: :pending
  def from_run_status(:finished), do: :succeeded
  def from_run_status(:failed), do: :failed
  def from_run_status(:killed), do: :cancelled
  def from_run_status(:running), do: :running
end
