defmodule MLflow.CLI.Server do
  @moduledoc false
  # `mix mlflow.server`, but for Mix: reads the command line, serves until it is told to end, and
  # answers the exit status.

  alias MLflow.CLI.{Options, Output, Signals}
  alias MLflow.{Error, Server}

  @switches [
    port: :integer,
    host: :string,
    database: :string,
    artifacts: :string,
    default_artifact_root: :string,
    username: :string,
    allowed_host: [:string, :keep],
    allowed_origin: [:string, :keep],
    ui: :string
  ]

  @well 0
  @failed 1
  @misused 2

  # Arguments can be read by everyone on the machine, so secrets come from the environment.
  @secrets [password: "MLFLOW_SERVER_PASSWORD", token: "MLFLOW_SERVER_TOKEN"]

  @help """
  An MLflow tracking server in this VM: MLflow's REST API over an SQLite file, without Python.

      mix mlflow.server                            # http://127.0.0.1:5000
      mix mlflow.server --port 0 --database lab.db # on a free port, which it prints

  Point clients to the address that it prints: `mlflow.set_tracking_uri("http://127.0.0.1:5000")`, or
  MLFLOW_TRACKING_URI. The application is not started; inside of one, `MLflow.Server` does the same.

  ## Options

    * `--port PORT` - the port to listen on (5000); 0 takes a free one
    * `--host ADDRESS` - the address to listen on (127.0.0.1); other machines reach it only on
      another than loopback's
    * `--database PATH` - the SQLite file (mlflow_server.db), made where there is none
    * `--artifacts FOLDER` - the folder of the artifacts that clients send (mlartifacts)
    * `--default-artifact-root URI` - where new experiments keep their artifacts, instead of there
    * `--username NAME` - who may ask, with the password in MLFLOW_SERVER_PASSWORD. Instead, a
      token that all requests must bear may be in MLFLOW_SERVER_TOKEN
    * `--allowed-host NAME` - a name by which clients may call it; may be repeated
    * `--allowed-origin ORIGIN` - a web page's origin that may ask; may be repeated
    * `--ui FOLDER` - MLflow's web interface, `server/js/build` of an installed mlflow package
    * `--help` - show this

  On SIGTERM it answers the requests under way and ends with 0. Ctrl-C, twice, ends it at once;
  what was acknowledged is kept in either case. The exit status is 1 when it cannot listen or open its
  database, and 2 when the options make no sense.
  """

  @doc "The task's help, which is its documentation too."
  def help, do: @help

  @doc """
  Serves until this process is told to end by `MLflow.CLI.Signals`, and answers the exit status;
  `prepare` as for `MLflow.CLI.Sync.run/3`.
  """
  @spec run([String.t()], (keyword -> :ok | {:error, String.t()}), Output.t()) :: 0..2
  def run(args, prepare, output \\ Output.standard()) do
    with {:ok, options} <- Options.parse(args, @switches),
         {:ok, settings} <- settings(options),
         :ok <- prepare.(alone: true) do
      serve(settings, output)
    else
      :help ->
        Output.puts(output, @help)
        @well

      {:error, message} ->
        Output.error(output, message, "mix help mlflow.server, or --help, shows the options")
        @misused
    end
  end

  defp settings(options) do
    {repeated, single} = Keyword.split(options, [:allowed_host, :allowed_origin])

    settings =
      single ++
        secrets() ++
        [
          allowed_hosts: Keyword.get_values(repeated, :allowed_host),
          allowed_origins: Keyword.get_values(repeated, :allowed_origin)
        ]

    cond do
      single[:username] && !settings[:password] ->
        {:error, "--username needs a password in MLFLOW_SERVER_PASSWORD"}

      settings[:password] && !single[:username] ->
        {:error, "MLFLOW_SERVER_PASSWORD needs a --username"}

      true ->
        {:ok, settings}
    end
  end

  defp secrets do
    for {setting, variable} <- @secrets,
        secret = System.get_env(variable),
        secret not in [nil, ""],
        do: {setting, secret}
  end

  # A name of its own: one that the application calls MLflow.Server is none of this task's.
  defp serve(settings, output) do
    trapping? = Process.flag(:trap_exit, true)

    case Server.start_link([name: __MODULE__] ++ settings) do
      {:ok, server} ->
        {:ok, uri} = Server.uri(__MODULE__)
        Output.puts(output, uri)
        status = await_end(server, output)
        Process.flag(:trap_exit, trapping?)
        status

      {:error, error} ->
        Output.error(output, Exception.message(error), advice(error))
        @failed
    end
  end

  defp await_end(server, output) do
    receive do
      {Signals, :terminate} ->
        :ok = Supervisor.stop(server)
        @well

      {:EXIT, ^server, reason} ->
        Output.error(output, "the server ended: #{Exception.format_exit(reason)}")
        @failed
    end
  end

  # The message of a mistaken setting and of a port that is taken says it all.
  defp advice(%Error{kind: :config}), do: nil
  defp advice(error), do: MLflow.CLI.Advice.of(error)
end
