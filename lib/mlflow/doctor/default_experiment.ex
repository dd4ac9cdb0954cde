defmodule MLflow.Doctor.DefaultExperiment do
  @moduledoc false
  # Where trials go that name no experiment.

  @behaviour MLflow.Doctor.Area

  alias MLflow.{CLI.Text, Error, Experiment}
  alias MLflow.Doctor.{Context, Finding}

  @area :experiment

  @impl true
  def examine(%{usable?: false} = context), do: {[], context}

  def examine(%{config: config} = context) do
    {_, answer} = Context.ask(context, request(config))
    {[finding(answer, config)], context}
  end

  defp request(%{experiment_id: nil} = config),
    do: {:get_experiment_by_name, config.default_experiment}

  defp request(config), do: {:get_experiment, config.experiment_id}

  defp finding({:ok, %Experiment{lifecycle_stage: :deleted} = experiment}, _config) do
    Finding.problem(@area, "the default experiment #{called(experiment)} is deleted",
      detail: "Trials that name no experiment cannot be synced.",
      advice:
        "restore it, with MLflow.Client.restore_experiment(#{inspect(experiment.experiment_id)}) " <>
          "or in the web UI, or set default_experiment (MLFLOW_DEFAULT_EXPERIMENT) to another name"
    )
  end

  defp finding({:ok, experiment}, _config),
    do: Finding.ok(@area, "the default experiment is #{called(experiment)}")

  defp finding({:error, %Error{kind: :not_found}}, %{experiment_id: nil} = config) do
    name = Text.value(config.default_experiment, 60)

    Finding.info(
      @area,
      "the default experiment #{name} does not exist yet: the first sync creates it"
    )
  end

  defp finding({:error, %Error{kind: :not_found}}, config) do
    Finding.problem(
      @area,
      "there is no experiment with the id #{Text.value(config.experiment_id)}",
      advice: "set experiment_id (MLFLOW_EXPERIMENT_ID) to one of this server's, or leave it out"
    )
  end

  defp finding({:error, error}, _config),
    do: Finding.error(@area, "the default experiment cannot be read", error)

  defp called(experiment),
    do: "#{Text.value(experiment.name, 60)} (id #{Text.value(experiment.experiment_id)})"
end
