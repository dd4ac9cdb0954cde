defmodule MLflow.Sync.Target do
  @moduledoc false
  # Where a trial's run is, or the right to create it.

  alias MLflow.{Config, Error, Experiments, Instance, Metric, Run, RunRecord, Trial}

  @type t ::
          {:read, Run.t()}
          | {:existing, run_id :: String.t()}
          | {:new, experiment_id :: String.t()}
          | {:unknown, experiment_id :: String.t(), tag :: String.t(), value :: String.t(),
             settling :: non_neg_integer}

  # What was sent by a process that is dead now, or given up waiting for, may still be waiting for
  # the server; it is given this long, in ms, to have its effect.
  @longest_settling 10_000

  @typedoc """
  The target with the record that goes with it, and `since` when (ms) nothing was heard of an earlier
  attempt to create the run.
  """
  @type place :: %{target: t, record: RunRecord.t() | nil, since: integer | nil}

  @doc """
  Where the run is. Claims the creation where there is none yet.

  Options: `run:`, the run as it was just read; `experiment_id:`, where a missing run is created.
  """
  @spec claim(Instance.t(), Trial.t(), RunRecord.t() | nil, keyword) ::
          {:ok, place} | {:error, Error.t()}
  def claim(instance, trial, record, opts) do
    case known(trial, record, opts[:run]) do
      nil -> claim_creation(instance, trial, opts[:experiment_id] || trial.mlflow_experiment_id)
      target -> {:ok, %{target: target, record: record, since: nil}}
    end
  end

  @doc "The target as a look would find it: nothing is claimed, and no experiment is created."
  @spec look(Instance.t(), Trial.t(), RunRecord.t() | nil, keyword) ::
          {:ok, t} | {:error, Error.t()}
  def look(instance, trial, record, opts) do
    with nil <- known(trial, record, opts[:run]),
         {:ok, id} <- existing_experiment(instance, trial, opts[:experiment_id]) do
      {:ok, unknown(id, instance.config, trial, 0)}
    else
      {:error, %Error{kind: :not_found}} -> {:ok, {:new, "0"}}
      {:error, error} -> {:error, error}
      target -> {:ok, target}
    end
  end

  # A run that was just read is the one.
  defp known(_trial, _record, %Run{} = run), do: {:read, run}
  defp known(_trial, %RunRecord{mlflow_run_id: id}, nil) when id != nil, do: {:existing, id}
  defp known(%Trial{mlflow_run_id: id}, _record, nil) when id != nil, do: {:existing, id}
  defp known(_trial, _record, nil), do: nil

  defp claim_creation(instance, trial, experiment_id) do
    with {:ok, experiment_id} <- experiment(instance, experiment_id),
         {:ok, {claim, record}} <-
           instance.config.store.claim_run(instance, trial, experiment_id) do
      target = claimed(claim, record, experiment_id, instance.config, trial)
      {:ok, %{target: target, record: record, since: since(claim)}}
    end
  end

  defp experiment(instance, nil), do: Experiments.default(instance)
  defp experiment(_instance, id), do: {:ok, id}

  defp existing_experiment(instance, trial, given) do
    case given || trial.mlflow_experiment_id do
      nil -> Experiments.find_default(instance)
      id -> {:ok, id}
    end
  end

  defp claimed(:fresh, _record, experiment_id, _config, _trial), do: {:new, experiment_id}

  defp claimed(:created, record, _experiment_id, _config, _trial),
    do: {:existing, record.mlflow_run_id}

  defp claimed({:unknown, since}, _record, experiment_id, config, trial),
    do: unknown(experiment_id, config, trial, settling(since, config))

  defp since({:unknown, since}), do: since
  defp since(_claim), do: nil

  defp unknown(experiment_id, config, trial, settling) do
    tag = Config.trial_tag(config)
    {:unknown, experiment_id, tag, Map.fetch!(trial.tags, tag), settling}
  end

  defp settling(since, config) do
    longest = min(@longest_settling, config.request_timeout)
    (longest - (Metric.now() - since)) |> max(0) |> min(longest)
  end
end
