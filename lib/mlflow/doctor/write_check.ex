defmodule MLflow.Doctor.WriteCheck do
  @moduledoc false
  # Whether what a sync writes arrives: a run is created, logged to, read back and deleted.

  @behaviour MLflow.Doctor.Area

  alias MLflow.{CLI.Text, Error, Experiment, Metric, Run}
  alias MLflow.Doctor.{Context, Finding}

  @area :write_check
  @name "mlflow_sync write check"
  @params %{"checked_by" => "mix mlflow.doctor"}
  @tags %{"mlflow_sync_write_check" => "true"}

  @impl true
  def examine(%{write_check?: false} = context), do: {[], context}

  def examine(%{usable?: false} = context),
    do: {[Finding.info(@area, "not tried: the API is not to be used")], context}

  def examine(context), do: {check(context), context}

  defp check(context) do
    with {:ok, id, created} <- experiment(context),
         {:ok, ms, %Run{run_id: run_id}} <- step(context, "created", create(id)) do
      written = write(context, run_id)
      deleted = step(context, "deleted", {:delete_run, run_id})
      created ++ [verdict([{"create", ms} | written.times], written, deleted, run_id)]
    else
      {:error, what, error} -> [Finding.error(@area, "a run cannot be #{what}", error)]
      {:error, finding} -> [finding]
    end
  end

  defp experiment(context) do
    wanted =
      context.experiment || context.config.experiment_id || context.config.default_experiment

    by_id? = context.experiment == nil and context.config.experiment_id != nil

    case find(context, wanted, by_id?) do
      {:ok, %Experiment{experiment_id: id}} ->
        {:ok, id, []}

      {:error, %Error{kind: :not_found}} when not by_id? and context.experiment == nil ->
        create_experiment(context, wanted)

      {:error, error} ->
        {:error, Finding.error(@area, "its experiment cannot be read", error)}
    end
  end

  defp find(context, wanted, by_id?) do
    if by_id? or wanted =~ ~r/\A\d+\z/,
      do: answer(context, {:get_experiment, wanted}),
      else: answer(context, {:get_experiment_by_name, wanted})
  end

  defp create_experiment(context, name) do
    case answer(context, {:create_experiment, name, context.config.artifact_location, []}) do
      {:ok, id} ->
        {:ok, id,
         [
           Finding.info(
             @area,
             "created the experiment #{Text.value(name, 60)} (id #{id}), which stays"
           )
         ]}

      {:error, error} ->
        {:error, Finding.error(@area, "an experiment cannot be created", error)}
    end
  end

  defp create(experiment_id) do
    {:create_run,
     %{
       experiment_id: experiment_id,
       name: @name,
       start_time: Metric.now(),
       user_id: nil,
       tags: Enum.to_list(@tags)
     }}
  end

  defp write(context, run_id) do
    point = {"written", 1.5, 1, Metric.now()}
    batch = %{metrics: [point], params: Enum.to_list(@params), tags: []}

    with {:ok, logged, _} <- step(context, "logged to", {:log_batch, run_id, batch}),
         {:ok, read, run} <- step(context, "read back", {:get_run, run_id}) do
      %{times: [{"log a batch", logged}, {"read back", read}], outcome: compare(run, point)}
    else
      {:error, what, error} -> %{times: [], outcome: {:error, what, error}}
    end
  end

  defp compare(run, {key, value, _step, _timestamp}) do
    expected = {@params, %{key => value}, @tags}
    found = {run.params, run.metrics, Map.take(run.tags, Map.keys(@tags))}
    if expected == found, do: :ok, else: {:differs, expected, found}
  end

  defp verdict(times, %{outcome: :ok}, {:ok, deleted, _}, _run_id) do
    steps =
      Enum.map_join(times ++ [{"delete", deleted}], ", ", fn {what, ms} ->
        "#{what} #{Text.duration(ms)}"
      end)

    Finding.ok(@area, "a run was written, read back and deleted (#{steps})")
  end

  defp verdict(_times, %{outcome: :ok}, {:error, _, error}, run_id) do
    Finding.warning(@area, "a run was written and read back, but cannot be deleted",
      detail: Exception.message(error),
      advice: "delete run #{Text.value(run_id)} by hand, if it disturbs; no sync deletes anything"
    )
  end

  defp verdict(_times, %{outcome: {:error, what, error}}, _deleted, _run_id),
    do: Finding.error(@area, "a run was created, and cannot be #{what}", error)

  defp verdict(_times, %{outcome: {:differs, expected, found}}, _deleted, _run_id) do
    Finding.problem(@area, "what was written comes back changed",
      detail: "wrote #{Text.value(expected, 300)}, read #{Text.value(found, 300)}",
      advice: "look at what stands between here and the server, and report it if that is nothing"
    )
  end

  defp step(context, what, request) do
    case Context.ask(context, request) do
      {ms, {:ok, value}} -> {:ok, ms, value}
      {ms, :ok} -> {:ok, ms, nil}
      {_ms, {:error, error}} -> {:error, what, error}
    end
  end

  defp answer(context, request), do: context |> Context.ask(request) |> elem(1)
end
