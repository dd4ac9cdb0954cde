defmodule MLflow.RunRecord do
  @moduledoc """
  What the application keeps of a run: a row of `mlflow_runs`.

  `start_time` and `end_time` are in ms since the epoch, as MLflow has them. `base` is what both
  sides agreed on last, and opaque. `sync_error` is the error of the last sync, if it failed.
  """

  @type t :: %__MODULE__{}

  defstruct [
    :id,
    :mlflow_run_id,
    :mlflow_experiment_id,
    :run_name,
    :status,
    :start_time,
    :end_time,
    :artifact_uri,
    :lifecycle_stage,
    :params,
    :metrics,
    :tags,
    :model_trial_id,
    :model_run_id,
    :base,
    :digest,
    :points_seq,
    :sync_error,
    :synced_at,
    :inserted_at,
    :updated_at
  ]

  @doc false
  # The columns that mirror the server's run.
  def from_run(%MLflow.Run{} = run) do
    %{
      mlflow_run_id: run.run_id,
      mlflow_experiment_id: run.experiment_id,
      run_name: run.name,
      status: to_string(run.status),
      start_time: run.start_time,
      end_time: run.end_time,
      artifact_uri: run.artifact_uri,
      lifecycle_stage: to_string(run.lifecycle_stage),
      params: run.params,
      metrics: run.metrics,
      tags: run.tags
    }
  end

  @doc false
  # What is stored has been through JSON, so both are compared as JSON has them.
  def holds?(%__MODULE__{} = record, attrs),
    do: Enum.all?(attrs, fn {key, value} -> plain(Map.get(record, key)) == plain(value) end)

  defp plain(%DateTime{} = time), do: DateTime.to_unix(time, :millisecond)
  defp plain(value) when is_map(value), do: Map.new(value, fn {k, v} -> {k, plain(v)} end)
  defp plain(value) when is_atom(value) and value != nil, do: Atom.to_string(value)
  defp plain(value), do: value
end
