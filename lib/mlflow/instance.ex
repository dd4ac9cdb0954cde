defmodule MLflow.Instance do
  @moduledoc false
  # What a running instance is to the functions that use it: its configuration and the two native
  # handles. It is registered under the instance's name by the process that owns the handles.

  use GenServer

  alias MLflow.{Config, Config.Secret, Error, Native}

  @enforce_keys [:name, :config, :engine]
  defstruct [:name, :config, :engine, :store]

  @type t :: %__MODULE__{
          name: atom,
          config: Config.t(),
          engine: reference,
          store: reference | nil
        }

  @doc "The instance of a call: `opts[:name]`, or the default one."
  @spec fetch(keyword) :: {:ok, t} | {:error, Error.t()}
  def fetch(opts) do
    name = Keyword.get(opts, :name, MLflow)

    with pid when pid != nil <- Process.whereis(MLflow.Registry),
         [{pid, instance}] <- Registry.lookup(MLflow.Registry, name),
         # The registry lets go of one that has ended a moment later.
         true <- Process.alive?(pid) do
      {:ok, instance}
    else
      _ -> {:error, start_error(name) || not_running(name)}
    end
  end

  @doc "The same, for a call that would speak to the server: refused where that is switched off."
  @spec fetch_enabled(keyword) :: {:ok, t} | {:error, Error.t()}
  def fetch_enabled(opts) do
    with {:ok, instance} <- fetch(opts) do
      if instance.config.enabled, do: {:ok, instance}, else: {:error, disabled(instance.name)}
    end
  end

  @doc "The names of the instances that run in this VM."
  @spec names() :: [atom]
  def names do
    if Process.whereis(MLflow.Registry),
      do: Registry.select(MLflow.Registry, [{{:"$1", :_, :_}, [{:is_atom, :"$1"}], [:"$1"]}]),
      else: []
  end

  @doc "Asks the MLflow server; the one way from Elixir to the network."
  @spec request(t, tuple | atom, keyword) :: :ok | {:ok, term} | {:error, Error.t()}
  def request(%__MODULE__{} = instance, request, opts \\ []) do
    with {:ok, bearer} <- bearer(instance.config) do
      options = %{bearer: bearer, total_timeout: opts[:total_timeout]}

      MLflow.Telemetry.span(:request, metadata(instance, request), fn ->
        Native.call(instance.engine, options, request)
      end)
    end
  end

  def start_link(%Config{} = config), do: GenServer.start_link(__MODULE__, config)

  @impl true
  def init(config) do
    Process.flag(:trap_exit, true)

    with {:ok, engine} <- Native.engine_new(Config.engine_options(config)),
         {:ok, store} <- config.store.open(config),
         instance = %__MODULE__{name: config.name, config: config, engine: engine, store: store},
         {:ok, _} <- Registry.register(MLflow.Registry, config.name, instance) do
      {:ok, instance}
    else
      {:error, {:already_registered, _}} -> {:stop, name_taken(config.name)}
      {:error, %Error{} = error} -> {:stop, error}
    end
  end

  # Without the registry, to which it is linked, nobody would find it.
  @impl true
  def handle_info({:EXIT, _registry, reason}, instance), do: {:stop, reason, instance}
  def handle_info(_message, instance), do: {:noreply, instance}

  @impl true
  def terminate(_reason, instance), do: instance.config.store.close(instance)

  @doc false
  def remember_start_error(error), do: :persistent_term.put({__MODULE__, MLflow}, error)

  @doc false
  def forget_start_error, do: :persistent_term.erase({__MODULE__, MLflow})

  defp start_error(name), do: :persistent_term.get({__MODULE__, name}, nil)

  defp not_running(name) do
    Error.new(
      :config,
      "instance",
      "no MLflow instance named #{inspect(name)} is running; add {MLflow, name: #{inspect(name)}} " <>
        "to a supervision tree, or check that the :mlflow_sync application is started"
    )
  end

  @doc false
  def name_taken(name) do
    Error.new(
      :config,
      "instance",
      "an MLflow instance named #{inspect(name)} is running already; give this one another :name"
    )
  end

  defp disabled(name) do
    Error.new(
      :disabled,
      "instance",
      "the MLflow instance #{inspect(name)} is switched off; set `enabled: true` " <>
        "(or MLFLOW_ENABLED=true, and unset TL_DISABLE_MLFLOW) to use it"
    )
  end

  defp bearer(%Config{token: token, username: nil, auth: :auto})
       when token != nil and not is_binary(token),
       do: Secret.read(token, :token)

  defp bearer(_config), do: {:ok, nil}

  defp metadata(instance, request) do
    operation = if is_tuple(request), do: elem(request, 0), else: request
    %{name: instance.name, operation: operation}
  end
end
