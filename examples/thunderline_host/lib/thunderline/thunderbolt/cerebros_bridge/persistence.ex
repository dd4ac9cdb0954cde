defmodule Thunderline.Thunderbolt.CerebrosBridge.Persistence do
  @moduledoc """
  Writes what the bridge reports, and hands it on to MLflow's hooks.

  The record and the job that brings it to MLflow commit together: after a rollback there is
  neither.
  """

  alias Thunderline.Thunderbolt.{ModelRun, ModelTrial}

  @doc "A search began."
  def run_started(contract) do
    together(contract, &MLflow.Cerebros.run_started/1, fn ->
      ModelRun.report(%{
        run_id: contract.run_id,
        state: :running,
        started_at: DateTime.utc_now(),
        metadata: %{"dataset_id" => contract.dataset_id, "objective" => contract.objective}
      })
    end)
  end

  @doc "A trial ended."
  def trial_reported(contract) do
    together(contract, &MLflow.Cerebros.trial_reported/1, fn ->
      with {:ok, model_run} <- ModelRun.by_run_id(contract.run_id) do
        contract
        |> Map.take(~w(trial_id pulse_id candidate_id status metrics parameters artifact_uri
                       duration_ms rank warnings spectral_norm)a)
        |> Map.reject(fn {_field, value} -> is_nil(value) end)
        |> Map.put(:model_run_id, model_run.id)
        |> ModelTrial.report()
      end
    end)
  end

  @doc "A search ended."
  def run_finalized(contract) do
    together(contract, &MLflow.Cerebros.run_finalized/1, fn ->
      with {:ok, model_run} <- ModelRun.by_run_id(contract.run_id),
           {:ok, trials} <- ModelTrial.of_model_run(model_run.id) do
        ModelRun.report(%{
          run_id: contract.run_id,
          state: if(contract.status == :timeout, do: :failed, else: contract.status),
          finished_at: DateTime.utc_now(),
          completed_trials: length(trials)
        })
      end
    end)
  end

  defp together(contract, hook, write) do
    Ash.transaction([ModelRun, ModelTrial], fn ->
      with {:ok, record} <- write.(), :ok <- hook.(contract) do
        record
      else
        {:error, reason} -> Ash.DataLayer.rollback(ModelTrial, reason)
      end
    end)
  end
end
