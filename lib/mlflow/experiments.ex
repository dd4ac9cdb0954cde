defmodule MLflow.Experiments do
  @moduledoc false
  # Which experiment: by whatever a user calls it, and the default one, found or created once.

  alias MLflow.{Error, Experiment, ExperimentRecord, Instance}

  @doc "The id of the instance's default experiment; asked of the server once per instance start."
  @spec default(Instance.t()) :: {:ok, String.t()} | {:error, Error.t()}
  def default(%Instance{config: %{experiment_id: id}}) when id != nil, do: {:ok, id}

  def default(%Instance{} = instance) do
    case Registry.meta(MLflow.Registry, remembered(instance)) do
      {:ok, id} ->
        {:ok, id}

      :error ->
        with {:ok, id} <- find_or_create(instance, instance.config.default_experiment) do
          Registry.put_meta(MLflow.Registry, remembered(instance), id)
          {:ok, id}
        end
    end
  end

  @doc "The same where it exists already; it is not created."
  @spec find_default(Instance.t()) :: {:ok, String.t()} | {:error, Error.t()}
  def find_default(%Instance{config: %{experiment_id: id}}) when id != nil, do: {:ok, id}

  def find_default(%Instance{} = instance),
    do: by_name(instance, instance.config.default_experiment)

  @doc "Trials of an experiment that have no run; those that name none belong to the default one."
  @spec trials_without_run(Instance.t(), Experiment.t()) ::
          {:ok, [MLflow.Trial.t()]} | {:error, Error.t()}
  def trials_without_run(instance, %Experiment{experiment_id: id} = experiment) do
    ids = if default?(instance, experiment), do: [id, nil], else: [id]
    instance.config.store.trials_without_run(instance, ids)
  end

  # Told without asking the server.
  defp default?(%Instance{config: %{experiment_id: id}}, experiment) when id != nil,
    do: experiment.experiment_id == id

  defp default?(%Instance{config: config}, experiment),
    do: experiment.name == config.default_experiment

  # By engine, so that a restarted instance asks again.
  defp remembered(instance), do: {:default_experiment, instance.name, instance.engine}

  @doc "The id of the experiment of this name, which is created and recorded where it is missing."
  @spec find_or_create(Instance.t(), String.t(), map) :: {:ok, String.t()} | {:error, Error.t()}
  def find_or_create(instance, name, attrs \\ %{}) do
    with {:ok, experiment} <- get_or_create(instance, name),
         :ok <- check_active(experiment),
         {:ok, _} <- record(instance, experiment, attrs) do
      {:ok, experiment.experiment_id}
    end
  end

  @doc "MLflow's id for an experiment named by that id, by its record's id or by its name."
  @spec resolve(Instance.t(), String.t() | integer) :: {:ok, String.t()} | {:error, Error.t()}
  def resolve(instance, id) do
    id = to_string(id)

    case instance.config.store.fetch_experiment(instance, id) do
      {:ok, %ExperimentRecord{mlflow_experiment_id: mlflow_id}} -> {:ok, mlflow_id}
      {:ok, nil} -> if id =~ ~r/^\d+$/, do: {:ok, id}, else: by_name(instance, id)
      error -> error
    end
  end

  @doc "Writes what the server says of an experiment into its record."
  def record(instance, %Experiment{} = experiment, attrs \\ %{}) do
    experiment
    |> ExperimentRecord.from_experiment()
    |> Map.put(:synced_at, MLflow.Metric.now())
    |> Map.merge(attrs)
    |> then(&instance.config.store.put_experiment(instance, &1))
  end

  defp by_name(instance, name) do
    with {:ok, experiment} <- Instance.request(instance, {:get_experiment_by_name, name}),
         do: {:ok, experiment.experiment_id}
  end

  defp get_or_create(instance, name) do
    case Instance.request(instance, {:get_experiment_by_name, name}) do
      {:error, %Error{kind: :not_found}} -> create(instance, name)
      answer -> answer
    end
  end

  # Somebody else may create it in between, or have created it with our answer lost.
  defp create(instance, name) do
    request = {:create_experiment, name, instance.config.artifact_location, []}

    case Instance.request(instance, request) do
      {:ok, id} ->
        Instance.request(instance, {:get_experiment, id})

      {:error, %Error{kind: :already_exists}} ->
        Instance.request(instance, {:get_experiment_by_name, name})

      error ->
        error
    end
  end

  defp check_active(%Experiment{lifecycle_stage: :deleted} = experiment) do
    message =
      "experiment #{inspect(experiment.name)} is deleted in MLflow; restore it with " <>
        "MLflow.Client.restore_experiment(#{inspect(experiment.experiment_id)}), " <>
        "or set :default_experiment to another name"

    {:error, Error.new(:invalid, "experiment", message)}
  end

  defp check_active(_experiment), do: :ok
end
