defmodule MLflow.Doctor.Context do
  @moduledoc false
  # What the checks share: the options, the configuration once it is known to make sense, and an
  # instance to ask with. That is no running one: its engine is the doctor's own, which is less
  # patient and repeats nothing, and its store is opened only where that changes nothing.

  alias MLflow.{CLI.Session, Config, Error, Instance, Native}

  @own [:name, :timeout, :write_check, :experiment]
  @timeout 10_000

  @type t :: %__MODULE__{}

  # `running` is the running instance, if any; `store_opened?` tells that `instance.store` is ours
  # to close; `reachable?` that the server answers at all, and `usable?` that its API does.
  defstruct [
    :name,
    :settings,
    :config,
    :error,
    :running,
    :instance,
    :timeout,
    :experiment,
    write_check?: false,
    store_opened?: false,
    reachable?: false,
    usable?: false,
    halted?: false
  ]

  @doc "The context that the options of `MLflow.Doctor.run/1` ask for."
  @spec new(keyword) :: t
  def new(opts) do
    {own, settings} = Keyword.split(opts, @own)
    name = Keyword.get(own, :name, MLflow)

    context = %__MODULE__{
      name: name,
      settings: settings,
      timeout: own[:timeout] || @timeout,
      experiment: own[:experiment],
      write_check?: own[:write_check] == true
    }

    case running(name, settings) do
      {:ok, instance} -> %{context | running: instance, config: instance.config}
      :error -> configure(context)
    end
  end

  # With other settings it would be another one.
  defp running(name, []) do
    with {:error, _} <- Instance.fetch(name: name), do: :error
  end

  defp running(_name, _settings), do: :error

  defp configure(%{name: name, settings: []} = context) when name != MLflow do
    {:error, error} = Instance.fetch(name: name)
    %{context | error: error}
  end

  defp configure(context) do
    case Session.configure([name: context.name] ++ context.settings) do
      {:ok, config} -> %{context | config: config}
      {:error, error} -> %{context | error: error}
    end
  end

  @doc "Makes the engine to ask the server with. No request is sent."
  @spec connect(t) :: {:ok, t} | {:error, Error.t()}
  def connect(%__MODULE__{config: config, timeout: timeout} = context) do
    options =
      Map.merge(Config.engine_options(config), %{
        request_timeout: timeout,
        total_timeout: timeout,
        max_retries: 0
      })

    with {:ok, engine} <- Native.engine_new(options) do
      {:ok, %{context | instance: %{instance(context) | engine: engine}}}
    end
  end

  @doc "Opens the database, which must be known to be there and up to date."
  @spec open_store(t) :: {:ok, t} | {:error, Error.t()}
  def open_store(%__MODULE__{running: nil, config: config} = context) do
    with {:ok, store} <- config.store.open(config) do
      {:ok, %{context | instance: %{instance(context) | store: store}, store_opened?: true}}
    end
  end

  def open_store(%__MODULE__{running: running} = context),
    do: {:ok, %{context | instance: %{instance(context) | store: running.store}}}

  defp instance(%{instance: nil} = context),
    do: %Instance{name: context.config.name, config: context.config, engine: nil}

  defp instance(context), do: context.instance

  @doc "Whether there is a store to ask."
  @spec store?(t) :: boolean
  def store?(context), do: context.instance != nil and context.instance.store != nil

  @doc "Asks the server, once, and tells how long that took (ms)."
  @spec ask(t, tuple | atom) :: {float, :ok | {:ok, term} | {:error, Error.t()}}
  def ask(%__MODULE__{instance: instance}, request) do
    {microseconds, answer} = :timer.tc(fn -> Instance.request(instance, request) end)
    {microseconds / 1_000, answer}
  end

  @doc "Closes what was opened."
  @spec close(t) :: :ok
  def close(%__MODULE__{store_opened?: true} = context),
    do: context.config.store.close(context.instance)

  def close(_context), do: :ok
end
