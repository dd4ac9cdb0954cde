defmodule MLflow.CLI.Sync.Targets do
  @moduledoc false
  # What is to be synced: trials first, since they show how far the work is, then experiments.

  alias MLflow.{Error, Instance, Runs}

  # As many as the store's listing can count.
  @all 4_000_000_000

  @typedoc "`expected?` is false for an experiment that nobody may have created yet."
  @type t :: %{kind: :trial | :experiment, id: String.t(), expected?: boolean}

  @doc "The targets that `--trial`, `--experiment` and `--all` name."
  @spec choose(Instance.t(), keyword) :: {:ok, [t]} | {:error, Error.t()}
  def choose(instance, options) do
    trials = for id <- Keyword.get_values(options, :trial), do: trial(key(instance, id))
    experiments = for id <- Keyword.get_values(options, :experiment), do: experiment(id)

    if options[:all] do
      with {:ok, due} <- instance.config.store.due_trials(instance, @all),
           {:ok, known} <- known_experiments(instance) do
        {:ok, uniq(trials ++ Enum.map(due, &trial/1) ++ experiments ++ known)}
      end
    else
      {:ok, uniq(trials ++ experiments)}
    end
  end

  # A trial goes by two ids, and must not be at work twice at a time.
  defp key(instance, id) do
    case instance.config.store.fetch_trial(instance, id) do
      {:ok, trial} -> trial.id
      {:error, _} -> id
    end
  end

  defp uniq(targets), do: Enum.uniq_by(targets, &{&1.kind, &1.id})

  # The default experiment has a record too, once a trial went there.
  defp known_experiments(instance) do
    with {:ok, records} <- records(instance) do
      known? = Enum.any?(records, &default?(&1, instance.config))
      known = for record <- records, do: experiment(record.mlflow_experiment_id)
      {:ok, if(known?, do: known, else: [default(instance.config) | known])}
    end
  end

  # Only the embedded store can list them.
  defp records(instance) do
    case Runs.experiments(name: instance.name) do
      {:error, %Error{kind: :config}} -> {:ok, []}
      answer -> answer
    end
  end

  defp default?(record, %{experiment_id: nil} = config),
    do: record.name == config.default_experiment

  defp default?(record, config), do: record.mlflow_experiment_id == config.experiment_id

  defp default(%{experiment_id: nil} = config),
    do: %{experiment(config.default_experiment) | expected?: false}

  defp default(config), do: experiment(config.experiment_id)

  defp trial(id), do: %{kind: :trial, id: id, expected?: true}
  defp experiment(id), do: %{kind: :experiment, id: id, expected?: true}
end
