defmodule MLflow.Run do
  @moduledoc """
  A run as the MLflow server answers it.

  Times are in ms since the epoch. `metrics` maps each key to its latest value, `latest_metrics`
  holds the same points with step and timestamp; the whole series comes from
  `MLflow.Client.get_metric_history/3`. `status` and `lifecycle_stage` are atoms where MLflow
  documents them, and the server's own string where it invents others.
  """

  @type status :: :scheduled | :running | :finished | :failed | :killed | String.t()

  @type t :: %__MODULE__{
          run_id: String.t(),
          experiment_id: String.t(),
          name: String.t() | nil,
          status: status,
          start_time: integer | nil,
          end_time: integer | nil,
          artifact_uri: String.t() | nil,
          lifecycle_stage: :active | :deleted | String.t(),
          user_id: String.t() | nil,
          params: %{String.t() => String.t()},
          metrics: %{String.t() => MLflow.Metric.value()},
          latest_metrics: [MLflow.Metric.t()],
          tags: %{String.t() => String.t()}
        }

  @enforce_keys [:run_id]
  defstruct [
    :run_id,
    :experiment_id,
    :name,
    :status,
    :start_time,
    :end_time,
    :artifact_uri,
    :user_id,
    lifecycle_stage: :active,
    params: %{},
    metrics: %{},
    latest_metrics: [],
    tags: %{}
  ]

  @statuses [:scheduled, :running, :finished, :failed, :killed]

  @doc "The statuses MLflow documents."
  @spec statuses() :: [atom]
  def statuses, do: @statuses

  @doc """
  Whether nothing more is expected of a run with this status.

      iex> MLflow.Run.terminal?(:failed)
      true
  """
  @spec terminal?(status) :: boolean
  def terminal?(status), do: status in [:finished, :failed, :killed]
end
