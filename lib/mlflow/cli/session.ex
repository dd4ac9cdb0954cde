defmodule MLflow.CLI.Session do
  @moduledoc false
  # The instance that a task works with: the one that runs in this VM, or one of its own, which has
  # neither queue nor scheduler, so that nothing happens but what the task does.

  alias MLflow.{Config, Error, Instance}
  alias MLflow.Store.Embedded

  @enforce_keys [:instance]
  defstruct [:instance, :own]

  @type t :: %__MODULE__{instance: Instance.t(), own: pid | nil}

  @doc """
  Opens a session. Options: `instance:`, the name of one that must be running; `settings:`, what
  the command line says differently from the configuration; `create?: false` refuses to set up a
  database that is not there yet.
  """
  @spec open(keyword) :: {:ok, t} | {:error, Error.t()}
  def open(opts) do
    settings = Keyword.get(opts, :settings, [])
    create? = Keyword.get(opts, :create?, true)

    case {opts[:instance], Instance.fetch(name: opts[:instance] || MLflow), settings} do
      {nil, {:error, _}, settings} -> start([name: MLflow] ++ settings, create?)
      {nil, {:ok, _}, [_ | _]} -> start([name: __MODULE__] ++ settings, create?)
      {_name, {:ok, instance}, []} -> {:ok, %__MODULE__{instance: instance}}
      {_name, {:error, error}, _} -> {:error, error}
    end
  end

  @doc "Closes what the session opened."
  @spec close(t) :: :ok
  def close(%__MODULE__{own: nil}), do: :ok
  def close(%__MODULE__{own: pid}), do: GenServer.stop(pid)

  # Its settings come from wherever those of the default instance would.
  defp start(options, create?) do
    with {:ok, config} <- configure([environment: true] ++ options),
         :ok <- if(create?, do: :ok, else: require_database(config)),
         {:ok, pid} <- start_instance(config),
         {:ok, instance} <- Instance.fetch(name: config.name) do
      {:ok, %__MODULE__{instance: instance, own: pid}}
    end
  end

  @doc "A configuration, or the error that it makes no sense."
  @spec configure(keyword) :: {:ok, Config.t()} | {:error, Error.t()}
  def configure(options) do
    {:ok, Config.new(options)}
  rescue
    error in ArgumentError -> {:error, Error.new(:config, "", Exception.message(error))}
  end

  defp require_database(%Config{store: Embedded, database: path}) do
    if File.exists?(path) do
      :ok
    else
      message = "there is no database at #{Path.expand(path)} yet, and so nothing to compare"
      {:error, Error.new(:config, "", message)}
    end
  end

  defp require_database(_config), do: :ok

  # Not linked: an instance that cannot start must not take the task with it.
  defp start_instance(config) do
    case GenServer.start(Instance, config) do
      {:ok, pid} -> {:ok, pid}
      {:error, %Error{} = error} -> {:error, error}
      {:error, reason} -> {:error, Error.new(:bug, "start", inspect(reason))}
    end
  end
end
