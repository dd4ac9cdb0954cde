defmodule MLflow.Server.Listener do
  @moduledoc false
  # Owns the native server, and hands on what it has to tell. The native side gathers news and is
  # asked for them, so that however much happens, no more than one batch is on its way here.

  use GenServer
  require Logger

  alias MLflow.{Error, Instance, Native, Telemetry}
  alias MLflow.Server.{Config, News}
  alias MLflow.Store.Embedded

  # The first news come at once, and those right behind them together.
  @between_batches 20

  # An instance that is being restarted is back in a moment, and the port of a server that was
  # killed is free.
  @patience 5_000
  @patience_with_port 1_000
  @look_again 20

  # `shared` is the monitor of the instance whose database it is; `asked` names the news asked for.
  @enforce_keys [:config, :server, :uri]
  defstruct [:config, :server, :uri, :database, :shared, :asked]

  @typedoc "What is known of a running server, without its secrets."
  @type running :: %{
          uri: String.t(),
          config: Config.t(),
          secured?: boolean,
          loopback?: boolean
        }

  def start_link(%Config{} = config), do: GenServer.start_link(__MODULE__, config)

  @doc "The address of a running server."
  @spec uri(atom) :: {:ok, String.t()} | {:error, Error.t()}
  def uri(name) do
    with pid when pid != nil <- Process.whereis(MLflow.Registry),
         [{pid, %{uri: uri}}] <- Registry.lookup(MLflow.Registry, {:server, name}),
         # The registry lets go of one that has ended a moment later.
         true <- Process.alive?(pid) do
      {:ok, uri}
    else
      _ ->
        message =
          "no MLflow server named #{inspect(name)} is running; add {MLflow.Server, name: " <>
            "#{inspect(name)}} to a supervision tree"

        {:error, Error.new(:config, "server", message)}
    end
  end

  @doc "The servers that run in this VM."
  @spec running() :: [running]
  def running do
    if Process.whereis(MLflow.Registry),
      do:
        Registry.select(MLflow.Registry, [
          {{{:server, :_}, :_, :"$1"}, [{:is_map, :"$1"}], [:"$1"]}
        ]),
      else: []
  end

  @impl true
  def init(config) do
    Process.flag(:trap_exit, true)

    with {:ok, _} <- Registry.register(MLflow.Registry, {:server, config.name}, nil),
         {:ok, native} <- Config.native(config),
         {:ok, {database, shared}} <- open(config) do
      case listen(native, database, deadline(@patience_with_port)) do
        {:ok, server} ->
          state = announce(config, native, server)
          {:ok, %{state | database: database, shared: shared}, {:continue, :ask}}

        {:error, error} ->
          close(database, shared)
          {:stop, error}
      end
    else
      {:error, {:already_registered, _}} -> {:stop, name_taken(config.name)}
      {:error, %Error{} = error} -> {:stop, error}
    end
  end

  defp listen(native, database, deadline) do
    with {:error, %Error{kind: :config}} = taken <- Native.server_start(native, database) do
      if passed?(deadline) do
        taken
      else
        Process.sleep(@look_again)
        listen(native, database, deadline)
      end
    end
  end

  defp announce(config, native, server) do
    {ip, _port} = listens = Native.server_address(server)
    config = Config.without_secrets(config)

    running = %{
      uri: address(listens),
      config: config,
      secured?: native.auth != :none,
      loopback?: ip == "::1" or String.starts_with?(ip, "127.")
    }

    Registry.update_value(MLflow.Registry, {:server, config.name}, fn _ -> running end)
    state = %__MODULE__{config: config, server: server, uri: running.uri}
    Telemetry.event([:server, :start], %{system_time: System.system_time()}, about(state))
    News.begin(config.name)
    state
  end

  @impl true
  def handle_continue(:ask, state), do: {:noreply, ask(state)}

  @impl true
  def handle_info(:ask, state), do: {:noreply, ask(state)}

  def handle_info({asked, {:ok, %{} = batch}}, %{asked: asked} = state) do
    News.publish(state.config.name, batch)
    Process.send_after(self(), :ask, @between_batches)
    {:noreply, %{state | asked: nil}}
  end

  def handle_info({asked, {:error, error}}, %{asked: asked} = state),
    do: {:stop, error, %{state | asked: nil}}

  # Its store is closed; the next start takes the one that the instance has then.
  def handle_info({:DOWN, shared, :process, _pid, _reason}, %{shared: shared} = state),
    do: {:stop, {:shutdown, :instance_ended}, state}

  # Without the registry, to which it is linked, nobody would find it.
  def handle_info({:EXIT, _registry, reason}, state), do: {:stop, reason, state}

  def handle_info(_message, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state) do
    :ok = Native.server_stop(state.server)
    publish_rest(if state.asked, do: state, else: ask(state))
    News.finish(state.config.name)
    close(state.database, state.shared)

    Telemetry.event([:server, :stop], %{system_time: System.system_time()}, about(state))
  end

  # The requests that the stop waited for have changed runs, too.
  defp publish_rest(%{asked: asked} = state) do
    receive do
      {^asked, {:ok, %{} = batch}} ->
        News.publish(state.config.name, batch)
        state |> ask() |> publish_rest()

      {^asked, _stopped} ->
        :ok
    end
  end

  defp ask(state) do
    asked = make_ref()
    :ok = Native.server_news_start(state.server, asked)
    %{state | asked: asked}
  end

  # Its readers have connections of their own.
  defp open(%Config{instance: nil, database: ":memory:"}),
    do: {:error, Error.new(:config, "server", in_memory())}

  defp open(%Config{instance: nil, database: path}) do
    with {:ok, database} <- Native.store_open(path), do: {:ok, {database, nil}}
  end

  defp open(%Config{instance: name}) do
    case await_instance(name, deadline(@patience)) do
      {:ok, {_pid, %Instance{config: %{store: Embedded, database: ":memory:"}}}} ->
        {:error, Error.new(:config, "server", in_memory())}

      {:ok, {pid, %Instance{config: %{store: Embedded}, store: database}}} ->
        {:ok, {database, Process.monitor(pid)}}

      {:ok, {_pid, %Instance{config: %{store: store}}}} ->
        message =
          "the instance #{inspect(name)} keeps its data in #{inspect(store)}, which a server " <>
            "cannot share: give :database instead of :instance"

        {:error, Error.new(:config, "server", message)}

      {:error, error} ->
        {:error, error}
    end
  end

  defp in_memory, do: "a server needs a database in a file: give a path instead of \":memory:\""

  defp await_instance(name, deadline) do
    case {Instance.fetch(name: name), Registry.lookup(MLflow.Registry, name)} do
      {{:ok, instance}, [{pid, _}]} ->
        {:ok, {pid, instance}}

      {outcome, _} ->
        if passed?(deadline) do
          with {:ok, _} <- outcome, do: await_instance(name, deadline)
        else
          Process.sleep(@look_again)
          await_instance(name, deadline)
        end
    end
  end

  defp deadline(patience), do: System.monotonic_time(:millisecond) + patience
  defp passed?(deadline), do: System.monotonic_time(:millisecond) >= deadline

  defp close(database, nil), do: Native.store_close(database)
  defp close(_instances, _shared), do: :ok

  # What listens everywhere is asked at home.
  defp address({"0.0.0.0", port}), do: address({"127.0.0.1", port})
  defp address({"::", port}), do: address({"::1", port})

  defp address({ip, port}) do
    if String.contains?(ip, ":"), do: "http://[#{ip}]:#{port}", else: "http://#{ip}:#{port}"
  end

  defp about(state), do: %{name: state.config.name, uri: state.uri}

  @doc false
  def name_taken(name) do
    message = "a server named #{inspect(name)} is running already; give this one another :name"
    Error.new(:config, "server", message)
  end
end
