defmodule MLflow.Server.News do
  @moduledoc false
  # What a server has to tell, handed to those who listen: subscribers, and telemetry.

  alias MLflow.Server.Change
  alias MLflow.Telemetry

  # Of processes that end, the registry lets go by itself; and a subscription outlives a restart of
  # the server.
  @subscribers MLflow.Server.Subscribers

  @doc "The registry of subscribers, a child of the application."
  def child_spec(_opts), do: Registry.child_spec(keys: :duplicate, name: @subscribers)

  @spec subscribe(atom) :: :ok
  def subscribe(name) do
    # Never taken away to be made anew: a change in between would be missed.
    if name not in Registry.keys(@subscribers, self()),
      do: {:ok, _} = Registry.register(@subscribers, name, nil)

    :ok
  end

  @spec unsubscribe(atom) :: :ok
  def unsubscribe(name), do: Registry.unregister(@subscribers, name)

  @doc """
  A server begins to tell. One that began before and never ended was killed with what it had not told.
  """
  @spec begin(atom) :: :ok
  def begin(name) do
    killed? = Registry.meta(@subscribers, {:telling, name}) != :error
    :ok = Registry.put_meta(@subscribers, {:telling, name}, true)
    publish(name, %{runs: [], overflowed: killed?, requests: []})
  end

  @doc "A server has told everything."
  @spec finish(atom) :: :ok
  def finish(name), do: Registry.delete_meta(@subscribers, {:telling, name})

  @doc "Tells everyone of a batch of news."
  @spec publish(atom, map) :: :ok
  def publish(name, %{runs: runs, overflowed: overflowed?, requests: requests}) do
    changes = Enum.map(runs, &struct!(Change, &1))
    tell(name, if(overflowed?, do: changes ++ [:overflow], else: changes))
    measure_changes(name, changes, overflowed?)
    Enum.each(requests, &measure_requests(name, &1))
  end

  defp tell(_name, []), do: :ok

  defp tell(name, news) do
    Registry.dispatch(@subscribers, name, fn subscribers ->
      for {pid, _} <- subscribers, change <- news, do: send(pid, {:mlflow_server, name, change})
    end)
  end

  defp measure_changes(_name, [], false), do: :ok

  defp measure_changes(name, changes, overflowed?) do
    metadata = %{name: name, changes: changes, overflowed: overflowed?}
    Telemetry.event([:server, :change], %{runs: length(changes)}, metadata)
  end

  defp measure_requests(name, requests) do
    measurements = %{
      count: requests.count,
      total_duration: native(requests.total),
      longest_duration: native(requests.longest),
      received: requests.received,
      sent: requests.sent
    }

    metadata = Map.take(requests, [:method, :route, :status])
    Telemetry.event([:server, :requests], measurements, Map.put(metadata, :name, name))
  end

  defp native(ns), do: System.convert_time_unit(ns, :nanosecond, :native)
end
