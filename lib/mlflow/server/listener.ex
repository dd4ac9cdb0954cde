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

  # An instance that is being restarted is back in a moment.
  @patience 5_000
  @look_again 20

  @enforce_keys [:config, :server, :database, :shared, :uri]
  defstruct [:config, :server, :database, :shared, :uri, :asked]

  def start_link(%Config{} = config), do: GenServer.start_link(__MODULE__, config)

  @doc "The address of a running server."
  @spec uri(atom) :: {:ok, String.t()} | {:error, Error.t()}
  def uri(name) do
    with pid when pid != nil <- Process.whereis(MLflow.Registry),
         [{_pid, uri}] when uri != nil <- Registry.lookup(MLflow.Registry, {:server, name}) do
      {:ok, uri}
    else
      _ ->
        message =
          "no MLflow server named #{inspect(name)} is running; add {MLflow.Server, name: " <>
            "#{inspect(name)}} to a supervision tree"

        {:error, Error.new(:config, "server", message)}
    end
  end

  @impl true
  def init(config) do
    Process.flag(:trap_exit, true)

    with {:ok, _} <- Registry.register(MLflow.Registry, {:server, config.name}, nil),
         {:ok, native} <- Config.native(config),
         {:ok, {database, shared}} <- open(config) do
      case Native.server_start(native, database) do
        {:ok, server} ->
          {:ok, announce(config, server, database, shared), {:continue, :ask}}

        {:error, error} ->
          close(database, shared)
          {:stop, error}
      end
    else
      {:error, {:already_registered, _}} -> {:stop, name_taken(config.name)}
      {:error, %Error{} = error} -> {:stop, error}
    end
  end

  defp announce(config, server, database, shared) do
    uri = address(Native.server_address(server))
    Registry.update_value(MLflow.Registry, {:server, config.name}, fn _ -> uri end)
    Telemetry.event([:server, :start], %{system_time: System.system_time()}, about(config, uri))

    %__MODULE__{
      config: Config.without_secrets(config),
      server: server,
      database: database,
      shared: shared,
      uri: uri
    }
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

  def handle_info(_message, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state) do
    :ok = Native.server_stop(state.server)
    publish_rest(if state.asked, do: state, else: ask(state))
    close(state.database, state.shared)

    Telemetry.event(
      [:server, :stop],
      %{system_time: System.system_time()},
      about(state.config, state.uri)
    )
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

  defp open(%Config{instance: nil, database: path}) do
    with {:ok, database} <- Native.store_open(path), do: {:ok, {database, nil}}
  end

  defp open(%Config{instance: name}) do
    case await_instance(name, System.monotonic_time(:millisecond) + @patience) do
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

  defp await_instance(name, deadline) do
    case {Instance.fetch(name: name), Registry.lookup(MLflow.Registry, name)} do
      {{:ok, instance}, [{pid, _}]} ->
        {:ok, {pid, instance}}

      {outcome, _} ->
        if System.monotonic_time(:millisecond) < deadline do
          Process.sleep(@look_again)
          await_instance(name, deadline)
        else
          with {:ok, _} <- outcome, do: await_instance(name, deadline)
        end
    end
  end

  defp close(database, nil), do: Native.store_close(database)
  defp close(_instances, _shared), do: :ok

  # What listens everywhere is asked at home.
  defp address({"0.0.0.0", port}), do: address({"127.0.0.1", port})
  defp address({"::", port}), do: address({"::1", port})

  defp address({ip, port}) do
    if String.contains?(ip, ":"), do: "http://[#{ip}]:#{port}", else: "http://#{ip}:#{port}"
  end

  defp about(config, uri), do: %{name: config.name, uri: uri}

  @doc false
  def name_taken(name) do
    message = "a server named #{inspect(name)} is running already; give this one another :name"
    Error.new(:config, "server", message)
  end
end
