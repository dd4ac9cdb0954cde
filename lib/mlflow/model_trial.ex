defmodule MLflow.ModelTrial do
  @moduledoc """
  A trial as the embedded store keeps it: Thunderline's `ModelTrial`, in both of its shapes.

  Thunderline's table has `metrics`, `parameters` and `spectral_norm`; its phase-5 document speaks
  of `hyperparameters`, `final_accuracy`, `final_loss`, `best_metric_value`, `started_at` and
  `completed_at`. A trial may use either, or both. `status` is one of `:pending`, `:running`,
  `:completed`, `:succeeded`, `:failed`, `:cancelled`, `:skipped`. `duration_ms` is in ms.
  """

  alias MLflow.{Metric, Trial, Value}

  @type t :: %__MODULE__{}

  defstruct [
    :id,
    :trial_id,
    :model_run_id,
    :mlflow_experiment_id,
    :name,
    :status,
    :metrics,
    :parameters,
    :hyperparameters,
    :tags,
    :spectral_norm,
    :final_accuracy,
    :final_loss,
    :best_metric_value,
    :mlflow_run_id,
    :artifact_uri,
    :duration_ms,
    :rank,
    :warnings,
    :candidate_id,
    :pulse_id,
    :bridge_payload,
    :started_at,
    :completed_at,
    :inserted_at,
    :updated_at
  ]

  @doc false
  # The numbers a trial ends with, by the keys they have in MLflow.
  def final_metrics(row) do
    named =
      for key <- [:final_accuracy, :final_loss, :best_metric_value],
          {:ok, number} <- [Value.number(row[key])],
          do: {Atom.to_string(key), number}

    Metric.flatten(row[:metrics]) ++ named
  end

  @doc false
  def to_trial(record) do
    ended = if ended?(record.status), do: end_time(record)

    %Trial{
      id: record.id,
      name: record.name || "trial_#{record.trial_id}",
      status: Trial.run_status(record.status),
      start_time: start_time(record),
      end_time: ended,
      params: params(record),
      tags: Map.new(Value.pairs(record.tags || %{})),
      points: [],
      artifact_uri: record.artifact_uri,
      mlflow_run_id: record.mlflow_run_id,
      mlflow_experiment_id: record.mlflow_experiment_id,
      model_run_id: record.model_run_id
    }
  end

  @doc "Whether nothing more is expected of a trial with this status."
  @spec ended?(atom | nil) :: boolean
  def ended?(status), do: status |> Trial.run_status() |> MLflow.Run.terminal?()

  defp params(record) do
    written =
      for map <- [record.hyperparameters, record.parameters],
          {path, value} <- Value.leaves(map || %{}),
          value != nil,
          into: %{},
          do: {path, Value.text(value)}

    case record.spectral_norm do
      nil -> written
      flag -> Map.put_new(written, "spectral_norm", Value.text(flag))
    end
  end

  defp start_time(%{started_at: time}) when time != nil, do: Value.milliseconds(time)

  defp start_time(%{completed_at: time, duration_ms: duration})
       when time != nil and duration != nil,
       do: Value.milliseconds(time) - duration

  defp start_time(record), do: Value.milliseconds(record.inserted_at)

  # Never a time that moves when the record is written again: it would be a change to push.
  defp end_time(%{completed_at: time}) when time != nil, do: Value.milliseconds(time)

  defp end_time(%{started_at: time, duration_ms: duration})
       when time != nil and duration != nil,
       do: Value.milliseconds(time) + duration

  defp end_time(_record), do: nil

  defimpl MLflow.Trackable do
    def to_trial(record), do: MLflow.ModelTrial.to_trial(record)
  end
end
