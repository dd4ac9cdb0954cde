defmodule MLflow.Outbox.Destination do
  @moduledoc false
  # Which run a log goes to; one that is missing is created the normal way.

  alias MLflow.{Config, Error, Experiments, Instance, Native, RunRecord, Sync, Trial}
  alias MLflow.Sync.Exchange

  @doc "The run of a log, by what is known of it."
  @spec run_id(Instance.t(), map, String.t() | nil) :: {:ok, String.t()} | {:error, Error.t()}
  # A trial may be given another run while it is logged to.
  def run_id(instance, %{identity: %{"kind" => "trial", "id" => id}}, _known) do
    case instance.config.store.fetch_run_by_trial(instance, id) do
      {:ok, %RunRecord{mlflow_run_id: run_id}} when run_id != nil -> {:ok, run_id}
      {:ok, _none_yet} -> create_for_trial(instance, id)
      error -> error
    end
  end

  def run_id(_instance, _log, known) when known != nil, do: {:ok, known}

  def run_id(instance, log, nil) do
    case Native.log_info(log.log).run_id do
      nil ->
        with {:ok, run_id} <- find(instance, log.identity),
             :ok <- Native.log_keep_run_id(log.log, run_id),
             do: {:ok, run_id}

      run_id ->
        {:ok, run_id}
    end
  end

  defp find(_instance, %{"kind" => "run", "id" => run_id}), do: {:ok, run_id}

  defp find(instance, %{"kind" => "own", "id" => id} = identity) do
    case instance.config.store.fetch_run_by_trial(instance, id) do
      {:ok, %RunRecord{mlflow_run_id: run_id}} when run_id != nil -> resume(instance, run_id)
      {:ok, _none_yet} -> create(instance, identity)
      error -> error
    end
  end

  defp create_for_trial(instance, id) do
    with {:ok, report} <- Sync.trial_to_mlflow(id, name: instance.name),
         do: {:ok, report["mlflow_run_id"]}
  end

  # An earlier logger of this id has ended it.
  defp resume(instance, run_id) do
    update = %{status: :running, end_time: nil, name: nil}
    with :ok <- Instance.request(instance, {:update_run, run_id, update}), do: {:ok, run_id}
  end

  defp create(instance, identity) do
    with {:ok, experiment_id} <- experiment(instance, identity["experiment"]) do
      trial = %Trial{
        id: identity["id"],
        name: identity["run_name"],
        status: :running,
        start_time: identity["start_time"],
        tags: Map.put(identity["tags"], Config.trial_tag(instance.config), identity["id"])
      }

      Exchange.ensure_run(instance, trial, experiment_id: experiment_id)
    end
  end

  defp experiment(instance, nil), do: Experiments.default(instance)

  defp experiment(instance, id_or_name) do
    case Experiments.resolve(instance, id_or_name) do
      {:error, %Error{kind: :not_found}} -> Experiments.find_or_create(instance, id_or_name)
      answer -> answer
    end
  end
end
