defmodule Prove.MlflowServer do
  @moduledoc """
  A real MLflow server of a proof's own, to be killed and started again on the same port and files.
  """

  alias MLflow.ScriptedServer
  alias Prove.{Engine, Remote}

  defstruct [:python, :directory, :port, :group]

  @type t :: %__MODULE__{
          python: Path.t(),
          directory: Path.t(),
          port: :inet.port_number(),
          group: String.t() | nil
        }

  # Imports alone take seconds, and on a busy machine many.
  @patience 120_000

  # Leads a process group of its own, workers included, and ends it when this VM is gone.
  @script """
  echo "group $$"
  "$@" >>"$LOG" 2>&1 </dev/null &
  read -r _
  kill -9 -$$
  """

  @doc "A server of the MLflow that `python` has, not started yet."
  @spec new(Path.t(), Path.t()) :: t
  def new(python, directory) do
    File.mkdir_p!(directory)
    %__MODULE__{python: python, directory: directory, port: ScriptedServer.free_port()}
  end

  @spec uri(t) :: String.t()
  def uri(%__MODULE__{port: port}), do: "http://127.0.0.1:#{port}"

  @doc "Starts the server, and waits until it answers from its database."
  @spec start(t) :: t
  def start(%__MODULE__{} = server) do
    command = [
      server.python,
      ~w(-m mlflow server --host 127.0.0.1 --port #{server.port}),
      ["--backend-store-uri", "sqlite:///#{Path.join(server.directory, "mlflow.db")}"],
      ["--artifacts-destination", "file://#{Path.join(server.directory, "artifacts")}"]
    ]

    port =
      Port.open({:spawn_executable, System.find_executable("setsid")}, [
        :binary,
        line: 1_000,
        env: environment(server),
        args: List.flatten(["sh", "-c", @script, "mlflow" | command])
      ])

    group = receive do: ({^port, {:data, {:eol, "group " <> group}}} -> group)
    server = %{server | group: group}
    Engine.await("MLflow answers", @patience, fn -> Remote.answers?(uri(server)) end)
    server
  end

  @doc "`kill -9` of the server and all its workers."
  @spec kill(t) :: t
  def kill(%__MODULE__{group: group} = server) do
    {_, 0} = System.cmd("kill", ["-9", "--", "-" <> group])
    Engine.await("MLflow is gone", @patience, fn -> not Remote.answers?(uri(server)) end)
    %{server | group: nil}
  end

  defp environment(server) do
    bin = Path.dirname(server.python)

    for {name, value} <- [
          {"LOG", Path.join(server.directory, "mlflow.log")},
          {"PATH", bin <> ":" <> System.get_env("PATH")},
          # Its job runner is for GenAI scorers, and several processes more.
          {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false"},
          {"MLFLOW_DISABLE_TELEMETRY", "true"}
        ],
        do: {String.to_charlist(name), String.to_charlist(value)}
  end
end
