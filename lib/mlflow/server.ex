defmodule MLflow.Server do
  alias MLflow.Server.Settings

  @moduledoc """
  An MLflow tracking server inside the application: MLflow's REST API over an SQLite file.

  Python clients, `mlflow` on the command line and `MLflow.Client` speak to it as to any tracking
  server, and there is no Python service to run. It starts in milliseconds, in a supervision tree:

      children = [{MLflow.Server, port: 5000}]

  and from Python:

      mlflow.set_tracking_uri("http://127.0.0.1:5000")

  What is acknowledged survives the death of the process. The server listens on loopback unless it
  is told otherwise, and then wants credentials: see `guides/server.md`, which also says what it serves
  and what not.

  ## Settings

  #{Settings.markdown()}
  and `name:`, by which the functions here know the server. `MLflow.Server` is the default; several
  servers need several names, ports and databases. A mistaken setting raises an error that names the
  nearest right one. Secrets do not show in `inspect`, logs or errors.

  ## News of runs

  Whoever subscribes is told of each run that changes, after the change is committed:

      :ok = MLflow.Server.subscribe()
      receive do
        {:mlflow_server, MLflow.Server, %MLflow.Server.Change{run_id: run_id, kinds: kinds}} -> …
      end

  A run that changes a thousand times a second is told of at most 50 times. Where more runs change at
  once than can be listed (100,000), and when the server is back after a crash,
  `{:mlflow_server, name, :overflow}` says that anything may have changed. `MLflow.Telemetry` has the
  same as events, and the requests.

  ## Runs are trials

  With `trials:`, what a client logs into the server is seen by the application at once: a run that
  is linked to a trial, or carries our tag, brings what changed into it; with `create: true` a run
  without a trial gets one, whose `trial_id` is the run's id.

      children = [
        {MLflow, name: MyApp.Trials, tracking_uri: "http://127.0.0.1:5000"},
        {MLflow.Server, instance: MyApp.Trials, trials: [instance: MyApp.Trials, create: true]}
      ]

  #{Settings.trials_markdown()}
  It is the instance's queue that brings runs over, as jobs of `MLflow.SyncWorker.sync_mlflow_to_trial/2`,
  so the instance's `tracking_uri` must lead to this server. What the instance itself brought to the
  server pulls nothing. Trials are created in an embedded store only.
  """

  alias MLflow.{Error, Starting}
  alias MLflow.Config.Secret
  alias MLflow.Server.{Config, Listener, News, Trials}

  @doc """
  Starts a server, outside of a supervision tree.

      {:ok, _} = MLflow.Server.start_link(port: 0, database: "lab.db")

  A mistaken setting, a port that is taken, a database that cannot be opened or a name that is taken
  is an `{:error, %MLflow.Error{}}` that says what to do.
  """
  @spec start_link(keyword) :: {:ok, pid} | {:error, Error.t()}
  def start_link(opts \\ []) do
    with {:ok, config} <- Starting.configure(fn -> Config.new(opts) end) do
      options = [strategy: :rest_for_one, name: via(config.name)]
      Starting.supervisor(children(config), options, Listener.name_taken(config.name))
    end
  end

  @doc """
  The child spec of a server, for a supervision tree: `{MLflow.Server, port: 5000}`.

  Its `id` is the server's name, so that several servers may stand in one tree.
  """
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(opts) do
    %{
      id: Keyword.get(opts, :name, __MODULE__),
      start: {__MODULE__, :start_link, [hide_secrets(opts)]},
      type: :supervisor
    }
  end

  @doc """
  Where a server listens, with the port that it took.

      {:ok, "http://127.0.0.1:5000"} = MLflow.Server.uri()
  """
  @spec uri(atom) :: {:ok, String.t()} | {:error, Error.t()}
  defdelegate uri(name \\ __MODULE__), to: Listener

  @doc """
  Has the calling process told of every run that changes, as `{:mlflow_server, name, change}` with an
  `MLflow.Server.Change`.

      :ok = MLflow.Server.subscribe(MyApp.Tracking)

  It may be called before the server runs, and outlives its restarts; it ends with the process, or
  with `unsubscribe/1`. A process that subscribes twice is told once.
  """
  @spec subscribe(atom) :: :ok
  defdelegate subscribe(name \\ __MODULE__), to: News

  @doc """
  Ends what `subscribe/1` began. What was sent already stays in the mailbox.

      :ok = MLflow.Server.unsubscribe(MyApp.Tracking)
  """
  @spec unsubscribe(atom) :: :ok
  defdelegate unsubscribe(name \\ __MODULE__), to: News

  # A child spec is printed in a supervisor's reports.
  defp hide_secrets(opts) do
    for {key, value} <- opts,
        do: {key, if(key in [:password, :token], do: Secret.hide(value), else: value)}
  end

  # The requests under way are waited for, and then the database is closed.
  defp children(config) do
    listener = %{
      id: Listener,
      start: {Listener, :start_link, [hide_secrets_of(config)]},
      shutdown: config.shutdown_timeout + 5_000
    }

    [listener | if(config.trials, do: [{Trials, {config.name, config.trials}}], else: [])]
  end

  defp hide_secrets_of(config),
    do: %{config | password: Secret.hide(config.password), token: Secret.hide(config.token)}

  defp via(name), do: {:via, Registry, {MLflow.Registry, {:server_supervisor, name}}}
end
