defmodule MLflow.FaultProxy do
  @moduledoc """
  Stands between the engine and a real MLflow server, on loopback, and does to requests what a
  network, a gateway or a dying server does to them.

  What happens to a request is told by a plan, which is one of

    * a list of faults, given out in the order of arrival; then all is well
    * `{:table, [{fault, probability}]}`, drawn from for each request, by the seed
    * a function of the `MLflow.FaultProxy.Request`

  and a fault is one of

  | fault | the client sees | the server has acted |
  |---|---|---|
  | `:pass` | the server's answer | yes |
  | `{:delay, ms}` | the server's answer, so much later | yes |
  | `{:refuse, ms}` | a reset, and for so long no connection | no |
  | `:reset_before` | a reset | no |
  | `:reset_after` | a reset | yes |
  | `:reset_inside` | half an answer, then a reset | yes |
  | `:truncated` | half an answer, then the end | yes |
  | `{:status, code}` | this status, with MLflow's JSON | no |
  | `{:status_after, code}` | this status, with MLflow's JSON | yes |
  | `{:rate_limit, s}` | 429 with `Retry-After` | no |
  | `:html` | 200 with a page | no |
  | `:html_after` | 200 with a page | yes |
  | `{:silence, ms}` | nothing for so long, then the end | no |
  | `{:late_answer, ms}` | the answer, so long after the server gave it | yes |
  | `{:late_request, ms}` | nothing for so long | after that time, whoever still waits |

  Requests of several connections arrive in no fixed order, so a seed gives the same faults in the
  same order, though perhaps to other requests.
  """

  use GenServer

  alias MLflow.HttpMessage

  defmodule Request do
    @moduledoc "A request as a plan sees it; `operation` is its path behind MLflow's prefix."
    defstruct [:method, :operation, :body]
  end

  @type fault :: atom | {atom, non_neg_integer}
  @type plan :: [fault] | {:table, [{fault, float}]} | (Request.t() -> fault)

  @prefix "/api/2.0/mlflow/"
  @harmless ["pass", "delay"]

  @doc "Options: `upstream:` (the server's address), `plan:` (`[]`), `seed:` (random)."
  def start_link(opts), do: GenServer.start_link(__MODULE__, opts)

  @doc "The address to give as `tracking_uri`."
  def uri(proxy), do: "http://127.0.0.1:#{GenServer.call(proxy, :port)}"

  @doc "The seed that the faults are drawn by."
  def seed(proxy), do: GenServer.call(proxy, :seed)

  @doc "Goes by another plan from here on."
  def plan(proxy, plan), do: GenServer.call(proxy, {:plan, plan})

  @doc "How many faults of each kind there were."
  def faults(proxy), do: proxy |> GenServer.call(:counts) |> Map.drop(@harmless)

  @doc "The operations of the requests that wait for their answer now."
  def in_flight(proxy), do: GenServer.call(proxy, :in_flight)

  @impl true
  def init(opts) do
    seed = opts[:seed] || :rand.uniform(1_000_000_000)

    state = %{
      upstream: URI.parse(Keyword.fetch!(opts, :upstream)),
      plan: Keyword.get(opts, :plan, []),
      seed: seed,
      random: :rand.seed_s(:exsss, seed),
      counts: %{},
      in_flight: %{},
      port: 0,
      listener: nil
    }

    {:ok, listen(state)}
  end

  @impl true
  def handle_call(:port, _from, state), do: {:reply, state.port, state}
  def handle_call(:seed, _from, state), do: {:reply, state.seed, state}
  def handle_call(:counts, _from, state), do: {:reply, state.counts, state}
  def handle_call({:plan, plan}, _from, state), do: {:reply, :ok, %{state | plan: plan}}

  def handle_call(:in_flight, _from, state),
    do: {:reply, Map.values(state.in_flight), state}

  def handle_call({:arrived, request}, {connection, _}, state) do
    {fault, state} = draw(state, request)
    counts = Map.update(state.counts, kind(fault), 1, &(&1 + 1))
    in_flight = Map.put(state.in_flight, connection, request.operation)
    state = %{state | counts: counts, in_flight: in_flight}
    {:reply, {fault, state.upstream}, refuse(state, fault)}
  end

  def handle_call(:answered, {connection, _}, state),
    do: {:reply, :ok, %{state | in_flight: Map.delete(state.in_flight, connection)}}

  @impl true
  def handle_info(:listen, state), do: {:noreply, listen(state)}

  defp draw(%{plan: [fault | rest]} = state, _request), do: {fault, %{state | plan: rest}}
  defp draw(%{plan: []} = state, _request), do: {:pass, state}

  defp draw(%{plan: {:table, table}} = state, _request) do
    {at, random} = :rand.uniform_s(state.random)
    {pick(table, at), %{state | random: random}}
  end

  defp draw(%{plan: fun} = state, request), do: {fun.(request), state}

  defp pick([], _at), do: :pass
  defp pick([{fault, probability} | _], at) when at < probability, do: fault
  defp pick([{_, probability} | rest], at), do: pick(rest, at - probability)

  defp kind({:status, code}), do: "#{code}"
  defp kind({:status_after, code}), do: "#{code} after"
  defp kind({:rate_limit, _seconds}), do: "429"
  defp kind({kind, _ms}), do: kind(kind)
  defp kind(kind), do: kind |> Atom.to_string() |> String.replace("_", " ")

  # Only a port that nobody listens on refuses connections.
  defp refuse(%{listener: listener} = state, {:refuse, ms}) when listener != nil do
    :gen_tcp.close(listener)
    Process.send_after(self(), :listen, ms)
    %{state | listener: nil}
  end

  defp refuse(state, _fault), do: state

  defp listen(state) do
    options = [
      :binary,
      ip: {127, 0, 0, 1},
      active: false,
      reuseaddr: true,
      nodelay: true,
      backlog: 256,
      buffer: 65_536
    ]

    {:ok, listener} = :gen_tcp.listen(state.port, options)
    {:ok, port} = :inet.port(listener)
    proxy = self()
    spawn_link(fn -> accept(listener, proxy) end)
    %{state | listener: listener, port: port}
  end

  # The listener closes with the proxy, or when connections are to be refused.
  defp accept(listener, proxy) do
    with {:ok, client} <- :gen_tcp.accept(listener) do
      connection =
        spawn_link(fn ->
          receive do: (:go -> serve(client, proxy))
        end)

      :ok = :gen_tcp.controlling_process(client, connection)
      send(connection, :go)
      accept(listener, proxy)
    end
  end

  defp serve(client, proxy) do
    with {:ok, request} <- HttpMessage.read(client),
         {fault, upstream} = GenServer.call(proxy, {:arrived, described(request)}, :infinity),
         outcome = act(fault, client, request, upstream),
         :ok = GenServer.call(proxy, :answered, :infinity),
         :ok <- outcome,
         true <- keeps_alive?(request) do
      serve(client, proxy)
    else
      _ -> :gen_tcp.close(client)
    end
  end

  defp keeps_alive?(request) do
    connection = HttpMessage.header(request, "connection") || "keep-alive"
    String.downcase(connection) != "close"
  end

  defp described(%HttpMessage{start: {method, target}, body: body}) do
    path = target |> String.split("?") |> hd()
    %Request{method: method, operation: String.replace_prefix(path, @prefix, ""), body: body}
  end

  defp act(:pass, client, request, upstream) do
    with {:ok, answer} <- forward(request, upstream), do: give(client, answer)
  end

  defp act({:delay, ms}, client, request, upstream) do
    Process.sleep(ms)
    act(:pass, client, request, upstream)
  end

  defp act({:refuse, _ms}, client, _request, _upstream), do: reset(client)
  defp act(:reset_before, client, _request, _upstream), do: reset(client)

  defp act(:reset_after, client, request, upstream) do
    forward(request, upstream)
    reset(client)
  end

  defp act(:reset_inside, client, request, upstream) do
    with {:ok, answer} <- forward(request, upstream), do: give_half(client, answer)
    reset(client)
  end

  defp act(:truncated, client, request, upstream) do
    with {:ok, answer} <- forward(request, upstream), do: give_half(client, answer)
    :closed
  end

  defp act({:status, code}, client, _request, _upstream), do: give(client, refusal(code))

  defp act({:status_after, code}, client, request, upstream) do
    forward(request, upstream)
    give(client, refusal(code))
  end

  defp act({:rate_limit, seconds}, client, _request, _upstream) do
    answer = refusal(429)
    wait = {"retry-after", Integer.to_string(seconds)}
    give(client, %{answer | headers: [wait | answer.headers]})
  end

  defp act(:html, client, _request, _upstream), do: give(client, page())

  defp act(:html_after, client, request, upstream) do
    forward(request, upstream)
    give(client, page())
  end

  defp act({:silence, ms}, _client, _request, _upstream) do
    Process.sleep(ms)
    :closed
  end

  defp act({:late_answer, ms}, client, request, upstream) do
    with {:ok, answer} <- forward(request, upstream) do
      Process.sleep(ms)
      give(client, answer)
    end
  end

  defp act({:late_request, ms}, client, request, upstream) do
    Process.sleep(ms)
    act(:pass, client, request, upstream)
  end

  # A connection of its own for each request: one that is kept could be closed by the server just
  # then, which would be a fault that nobody planned.
  defp forward(request, upstream) do
    request = HttpMessage.end_to_end(request)
    request = %{request | headers: request.headers ++ [{"connection", "close"}]}
    options = [:binary, active: false, nodelay: true, buffer: 65_536]

    with {:ok, server} <-
           :gen_tcp.connect(String.to_charlist(upstream.host), upstream.port, options),
         :ok <-
           :gen_tcp.send(server, [HttpMessage.head(request), HttpMessage.encoded_body(request)]),
         {:ok, answer} <- HttpMessage.read(server) do
      :gen_tcp.close(server)
      {:ok, HttpMessage.end_to_end(answer)}
    end
  end

  defp give(client, answer) do
    sent = :gen_tcp.send(client, [HttpMessage.head(answer), HttpMessage.encoded_body(answer)])
    if answer.framing == :close, do: :closed, else: sent
  end

  defp give_half(client, answer) do
    body = answer |> HttpMessage.encoded_body() |> IO.iodata_to_binary()

    :gen_tcp.send(client, [
      HttpMessage.head(answer),
      binary_part(body, 0, div(byte_size(body), 2))
    ])
  end

  # With no time to linger, closing is a reset.
  defp reset(client) do
    :inet.setopts(client, linger: {true, 0})
    :gen_tcp.close(client)
    :closed
  end

  @codes %{
    429 => "REQUEST_LIMIT_EXCEEDED",
    500 => "INTERNAL_ERROR",
    503 => "TEMPORARILY_UNAVAILABLE"
  }

  defp refusal(status) do
    %HttpMessage{
      start: {status, "Injected"},
      headers: [{"content-type", "application/json"}],
      body: ~s({"error_code":"#{@codes[status]}","message":"injected by the fault proxy"})
    }
  end

  defp page do
    %HttpMessage{
      start: {200, "OK"},
      headers: [{"content-type", "text/html"}],
      body: "<!doctype html><title>Please log in</title>"
    }
  end
end
