defmodule MLflow.Doctor.Connection do
  @moduledoc false
  # The way to the server: a proxy where one applies, the name, and a port that accepts.

  @behaviour MLflow.Doctor.Area

  alias MLflow.{CLI.Text, Native}
  alias MLflow.Doctor.{Context, Finding}

  @area :connection

  # A switched-off instance sends nothing, not even this.
  @impl true
  def examine(%{config: %{enabled: false}} = context), do: {[], context}

  def examine(context) do
    case Context.connect(context) do
      {:ok, context} ->
        proxy = Native.engine_proxy(context.instance.engine)
        {findings, reachable?} = reach(proxy || context.config.tracking_uri, context.timeout)
        {proxy(proxy, context.config) ++ findings, %{context | reachable?: reachable?}}

      {:error, error} ->
        {[Finding.error(@area, "no connection can even be tried", error)], context}
    end
  end

  defp proxy(nil, config) do
    case {config.http_proxy, config.https_proxy} do
      {nil, nil} -> [Finding.ok(@area, "no proxy is on the way")]
      _ -> [Finding.ok(@area, "a proxy is configured, and not used for this server")]
    end
  end

  defp proxy(proxy, _config) do
    [
      Finding.info(@area, "requests go through the proxy #{Text.printable(proxy)}",
        advice:
          "where the server is to be reached without it, name its host in no_proxy (NO_PROXY)"
      )
    ]
  end

  defp reach(address, timeout) do
    %URI{host: host, port: port} = URI.parse(address)

    case addresses(host, timeout) do
      [] -> {[unknown(host)], false}
      addresses -> connect(addresses, host, port, timeout)
    end
  end

  # An address is its own answer.
  defp addresses(host, timeout) do
    host = String.to_charlist(host)

    case :inet.parse_address(host) do
      {:ok, address} -> [address]
      {:error, _} -> Enum.flat_map([:inet, :inet6], &look_up(host, &1, timeout))
    end
  end

  defp look_up(host, family, timeout) do
    case :inet.getaddrs(host, family, timeout) do
      {:ok, addresses} -> addresses
      {:error, _} -> []
    end
  end

  defp unknown(host) do
    Finding.problem(@area, "nobody knows an address of #{Text.value(host, 60)}",
      advice: "check tracking_uri (or the proxy's address) for a typo, and the machine's DNS"
    )
  end

  # Like the client, it tries one address after the other.
  defp connect(addresses, host, port, timeout) do
    attempts = Enum.map(addresses, &{&1, try_address(&1, port, timeout)})
    place = "#{host}:#{port}"

    case Enum.find(attempts, &match?({_, {:ok, _}}, &1)) do
      {address, {:ok, ms}} ->
        {[
           Finding.ok(
             @area,
             "#{place} accepts connections (#{resolved(host, address)}#{Text.duration(ms)})"
           )
         ], true}

      nil ->
        {[refused(place, attempts)], false}
    end
  end

  defp try_address(address, port, timeout) do
    {microseconds, connected} = :timer.tc(fn -> :gen_tcp.connect(address, port, [], timeout) end)

    with {:ok, socket} <- connected do
      :gen_tcp.close(socket)
      {:ok, microseconds / 1_000}
    end
  end

  defp resolved(host, address) do
    case address |> :inet.ntoa() |> to_string() do
      ^host -> ""
      text -> "#{text}, "
    end
  end

  defp refused(place, attempts) do
    detail =
      Enum.map_join(attempts, "\n", fn {address, {:error, reason}} ->
        "#{:inet.ntoa(address)}: #{reason(reason)}"
      end)

    Finding.problem(@area, "#{place} accepts no connection",
      detail: detail,
      advice:
        "start the MLflow server, or set tracking_uri (MLFLOW_TRACKING_URI) to where it is; " <>
          "what is recorded meanwhile is kept here, and sent later"
    )
  end

  defp reason(:timeout), do: "no answer"
  defp reason(reason), do: reason |> :inet.format_error() |> to_string()
end
