defmodule MLflow.Server.Linking do
  @moduledoc false
  # Runs of the server, and the trials that they are: found by the link or our tag, or created. What
  # is in step costs a look and no job, so that what the instance itself pushed comes to rest.

  require Logger

  alias MLflow.{Client, Config, Error, Instance, RunRecord, SyncWorker, Trial, Trials}
  alias MLflow.Server.Listener

  @loopback ~w(localhost 127.0.0.1 ::1)

  # What `MLflow.Client` answers of pages comes as a stream.
  @runs_at_once 250

  @doc "Has these runs, or everything there is, brought to their trials."
  @spec bring(atom, [String.t()] | :everything, map) :: :ok | {:error, Error.t()}
  def bring(server, what, %{instance: name, create: create?}) do
    with {:ok, instance} <- Instance.fetch_enabled(name: name),
         {:ok, uri} <- Listener.uri(server),
         :ok <- check_way(instance.config.tracking_uri, uri) do
      each_chunk(instance, what, &bring_runs(instance, &1, create?))
    end
  rescue
    error in Error -> {:error, error}
  end

  @doc "Whether an instance that asks there can ask this server: behind a proxy it may be anywhere."
  @spec check_way(String.t(), String.t()) :: :ok | {:error, Error.t()}
  def check_way(tracking_uri, uri) do
    {asked, here} = {URI.parse(tracking_uri), URI.parse(uri)}

    if asked.host in @loopback and asked.port != here.port do
      message =
        "its tracking_uri leads to #{tracking_uri}, and the server is at #{uri}: give it that one"

      {:error, Error.new(:config, "trials", message)}
    else
      :ok
    end
  end

  defp each_chunk(instance, :everything, bring) do
    Client.search_experiments(name: instance.name)
    |> Stream.flat_map(&Client.search_runs(&1.experiment_id, name: instance.name))
    |> Stream.chunk_every(@runs_at_once)
    |> Enum.reduce_while(:ok, fn runs, :ok -> continue(bring.(runs)) end)
  end

  defp each_chunk(instance, ids, bring) do
    with {:ok, runs} <- read(instance, ids), do: bring.(runs)
  end

  # A run that is gone meanwhile has nothing to bring.
  defp read(instance, ids) do
    collect(ids, fn id ->
      case Client.get_run(id, name: instance.name) do
        {:ok, run} -> {:ok, [run]}
        {:error, %Error{kind: :not_found}} -> {:ok, []}
        error -> error
      end
    end)
  end

  defp bring_runs(instance, runs, create?) do
    tag = Config.trial_tag(instance.config)
    asked = for run <- runs, do: {run.run_id, run.tags[tag]}

    with {:ok, sides} <- instance.config.store.local_sides(instance, asked) do
      runs
      |> Enum.zip(sides)
      |> Enum.reduce_while(:ok, fn {run, side}, :ok ->
        instance |> bring_run(run, side, create?) |> unless_hopeless(run) |> continue()
      end)
    end
  end

  defp bring_run(_instance, %{lifecycle_stage: stage}, {_record, nil, _}, _create?)
       when stage != :active,
       do: :ok

  defp bring_run(_instance, _run, {_record, nil, _unsynced?}, false), do: :ok

  defp bring_run(instance, run, {_record, nil, _unsynced?}, true) do
    case create_trial(instance, run) do
      {:ok, %{trial_id: id}} -> link(instance, run, id)
      {:error, %Error{kind: :already_exists}} -> link_again(instance, run)
      error -> error
    end
  end

  defp bring_run(instance, run, {record, _trial, _unsynced?}, _create?),
    do: if(in_step?(record, run), do: :ok, else: queue(instance, run))

  # The trial that the run's tag names, if it has one, and else one of its own.
  defp create_trial(instance, run) do
    Trials.create(
      %{
        trial_id: own_id(instance, run),
        name: run.name,
        status: status(run.status),
        mlflow_run_id: run.run_id,
        mlflow_experiment_id: run.experiment_id,
        started_at: run.start_time,
        completed_at: run.end_time
      },
      name: instance.name
    )
  end

  # A tag without a value names no trial.
  defp own_id(instance, run) do
    case run.tags[Config.trial_tag(instance.config)] do
      none when none in [nil, ""] -> run.run_id
      trial_id -> trial_id
    end
  end

  # What a server invents beyond MLflow's statuses, no trial has.
  defp status(status) when is_atom(status), do: Trial.from_run_status(status)
  defp status(_unknown), do: :running

  # A trial that an earlier attempt created is this run's; any other has a run already.
  defp link_again(instance, run) do
    id = own_id(instance, run)

    case Trials.get(id, name: instance.name) do
      {:ok, %{mlflow_run_id: run_id}} when run_id == run.run_id -> link(instance, run, id)
      {:ok, _other} -> :ok
      error -> error
    end
  end

  defp link(instance, run, trial_id) do
    tag = Config.trial_tag(instance.config)

    with :ok <- Client.set_tag(run.run_id, tag, trial_id, name: instance.name),
         do: queue(instance, run)
  end

  defp in_step?(nil, _run), do: false

  defp in_step?(record, run),
    do: record.sync_error == nil and RunRecord.holds?(record, RunRecord.from_run(run))

  defp queue(instance, run) do
    with {:ok, _job} <- SyncWorker.sync_mlflow_to_trial(run.run_id, name: instance.name), do: :ok
  end

  defp collect(items, fun) do
    Enum.reduce_while(items, {:ok, []}, fn item, {:ok, found} ->
      case fun.(item) do
        {:ok, more} -> {:cont, {:ok, more ++ found}}
        error -> {:halt, error}
      end
    end)
  end

  # What trying again cannot mend must not keep the other runs waiting.
  defp unless_hopeless({:error, %Error{retryable: false} = error}, run) do
    Logger.warning("run #{run.run_id} is not brought to a trial: #{Exception.message(error)}")
  end

  defp unless_hopeless(outcome, _run), do: outcome

  defp continue(:ok), do: {:cont, :ok}
  defp continue(error), do: {:halt, error}
end
