defmodule MLflow do
  @moduledoc """
  Keeps the trials of an Elixir application and the runs of an MLflow tracking server the same.

  Trials are recorded locally, at once and durably; jobs bring them to MLflow, and bring what was
  changed there back. Nothing is lost when the server is down, nothing is doubled when a job runs
  again, and what changed on both sides is a conflict that is reported, not overwritten unseen.

      # MLFLOW_TRACKING_URI=http://localhost:5000 iex -S mix
      {:ok, trial} = MLflow.Trials.create(%{trial_id: "t1", parameters: %{lr: 0.1}, status: :running})
      :ok = MLflow.Trials.log_metrics("t1", %{loss: 0.7}, step: 1)
      {:ok, _} = MLflow.Trials.update("t1", %{status: :succeeded, metrics: %{accuracy: 0.93}})
      {:ok, job} = MLflow.SyncWorker.sync_trial_to_mlflow("t1")
      {:ok, job} = MLflow.SyncWorker.await(job)

  ## Where to look

    * `MLflow.SyncWorker` - queue the sync jobs, wait for them, list them
    * `MLflow.RunLogger` - logging for training loops; `MLflow.Outbox` - what of it waits
    * `MLflow.Trials`, `MLflow.ModelRuns`, `MLflow.Runs` - what is kept locally
    * `MLflow.Client` - MLflow's REST API
    * `MLflow.Cerebros` - hooks for a training bridge
    * `MLflow.Config` - every setting
    * `MLflow.Error` - what can go wrong and what to do

  ## Instances

  The application starts one instance named `MLflow` from its config and environment. For more
  (other servers, other credentials), put them into a supervision tree and name them in each call:

      children = [{MLflow, name: MyApp.MLflow, tracking_uri: "https://mlflow.example.com"}]
      MLflow.Client.health(name: MyApp.MLflow)
  """

  alias MLflow.{Config, Error, History, Instance, Outbox, Queue, Starting}

  @doc """
  Starts an instance; see `MLflow.Config` for the options.

  A mistaken setting, a database that cannot be opened or a name that is taken is an
  `{:error, %MLflow.Error{}}` that says what to do.
  """
  @spec start_link(keyword) :: {:ok, pid} | {:error, Error.t()}
  def start_link(opts \\ []) do
    with {:ok, config} <- Starting.configure(fn -> Config.new(opts) end),
         {:ok, queue} <- Queue.children(config) do
      options = [strategy: :rest_for_one, name: via(config)]
      Starting.supervisor(children(config, queue), options, Instance.name_taken(config.name))
    end
  end

  @doc "The child spec of an instance, for a supervision tree."
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(opts) do
    %{
      id: Keyword.get(opts, :name, __MODULE__),
      start: {__MODULE__, :start_link, [opts]},
      type: :supervisor
    }
  end

  @doc """
  The id of the experiment that trials go to when they name none; found or created once.

      {:ok, "1"} = MLflow.default_experiment()
  """
  @spec default_experiment(keyword) :: {:ok, String.t()} | {:error, Error.t()}
  def default_experiment(opts \\ []) do
    with {:ok, instance} <- Instance.fetch_enabled(opts),
         do: MLflow.Experiments.default(instance)
  end

  @doc """
  What was synchronised, newest first: one `MLflow.SyncAttempt` per attempt, however it ended.

      {:ok, failed} = MLflow.history(result: :cancel, since: DateTime.add(DateTime.utc_now(), -3600))

  Options: `trial:` (`id` or `trial_id`), `run:`, `target:` (as it was named in the call), `action:`,
  `result:`, `since:` (`DateTime` or ms), `limit:` (100), `name:`. History is kept for
  `history_retention` seconds.
  """
  @spec history(keyword) :: {:ok, [MLflow.SyncAttempt.t()]} | {:error, Error.t()}
  defdelegate history(opts \\ []), to: History, as: :attempts

  @doc """
  What was changed on both sides, newest first, with both values and the winner.

      {:ok, [%MLflow.Conflict{field: "status"} | _]} = MLflow.conflicts(trial: "t1")

  Options: `trial:` (`id` or `trial_id`), `run:`, `field:`, `since:` (`DateTime` or ms), `limit:`
  (100), `name:`. Conflicts are kept as long as the attempt that met them.
  """
  @spec conflicts(keyword) :: {:ok, [MLflow.Conflict.t()]} | {:error, Error.t()}
  defdelegate conflicts(opts \\ []), to: History

  @doc "The configuration of a running instance; secrets do not show when it is inspected."
  @spec config!(keyword) :: Config.t()
  def config!(opts \\ []), do: opts |> Instance.fetch() |> Error.bang!() |> Map.fetch!(:config)

  defp children(config, queue) do
    [%{id: Instance, start: {Instance, :start_link, [config]}, shutdown: 10_000}] ++
      queue ++
      outbox(config) ++ [{History.Pruner, config}] ++ scheduler(config)
  end

  # Behind the queue, so that what is still being logged at a stop is delivered before the queue
  # stops.
  defp outbox(%Config{enabled: true} = config),
    do: [%{id: Outbox, start: {Outbox.Keeper, :start_link, [config]}, shutdown: 10_000}]

  defp outbox(_config), do: []

  defp scheduler(%Config{enabled: true, auto_sync: true, sync_interval: seconds} = config)
       when seconds > 0,
       do: [%{id: MLflow.Scheduler, start: {MLflow.Scheduler, :start_link, [config]}}]

  defp scheduler(_config), do: []

  defp via(config), do: {:via, Registry, {MLflow.Registry, {:supervisor, config.name}}}
end
