defmodule MLflow.ScriptedServer do
  @moduledoc """
  An HTTP server on loopback that answers what a test tells it to, for what a real MLflow server
  will not produce on demand.

  The script is a list of responses, given out in order, or a function of the request. A request
  that the list does not expect is refused with 400. A response is one of

    * `{status, map}` - JSON
    * `{status, headers, text}` - anything else; headers are `{name, value}`
    * `:close` - the connection is closed without an answer
    * `{:truncated, text}` - fewer bytes than announced, then the connection is closed
    * `{:hold, pid}` - `pid` gets `{:held, connection, request}`, and sends the connection
      `{:answer, response}`; when the client hangs up first, `pid` gets `{:hung_up, connection}`
  """

  use GenServer

  defmodule Request do
    @moduledoc "A request as it came in; `operation` is its path behind MLflow's prefix."
    defstruct [:method, :path, :operation, :query, :headers, :body, :json]
  end

  @prefix "/api/2.0/mlflow/"

  def start_link(opts), do: GenServer.start_link(__MODULE__, opts)

  @doc "The address to give as `tracking_uri`."
  def uri(server), do: "http://127.0.0.1:#{port(server)}"

  def port(server), do: GenServer.call(server, :port)

  @doc "All requests so far, in the order of their arrival."
  def requests(server), do: GenServer.call(server, :requests)

  @doc "Their operations, such as `\"runs/create\"`."
  def operations(server), do: server |> requests() |> Enum.map(& &1.operation)

  @doc "The requests of one operation."
  def requests(server, operation),
    do: server |> requests() |> Enum.filter(&(&1.operation == operation))

  @doc "Forgets the requests so far."
  def forget(server), do: GenServer.call(server, :forget)

  @doc "An error as MLflow answers it."
  def error(status, code, message \\ "scripted"),
    do: {status, %{"error_code" => code, "message" => message}}

  @doc "A port of loopback on which nothing listens, at least for now."
  def free_port do
    {:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})
    {:ok, port} = :inet.port(socket)
    :ok = :gen_tcp.close(socket)
    port
  end

  @impl true
  def init(opts) do
    options = [
      :binary,
      ip: {127, 0, 0, 1},
      packet: :http_bin,
      active: false,
      reuseaddr: true,
      nodelay: true,
      backlog: 256
    ]

    {:ok, listener} = :gen_tcp.listen(Keyword.get(opts, :port, 0), options)
    server = self()
    spawn_link(fn -> accept(listener, server) end)
    {:ok, %{listener: listener, script: opts[:script], requests: []}}
  end

  @impl true
  def handle_call(:port, _from, state) do
    {:ok, port} = :inet.port(state.listener)
    {:reply, port, state}
  end

  def handle_call(:requests, _from, state), do: {:reply, Enum.reverse(state.requests), state}
  def handle_call(:forget, _from, state), do: {:reply, :ok, %{state | requests: []}}

  def handle_call({:arrived, request}, _from, state) do
    state = %{state | requests: [request | state.requests]}

    case state.script do
      [response | rest] ->
        {:reply, response, %{state | script: rest}}

      [] ->
        unexpected = error(400, "BAD_REQUEST", "unexpected request #{request.operation}")
        {:reply, unexpected, state}

      fun ->
        {:reply, fun, state}
    end
  end

  # The listener closes with the server, and that ends this process too.
  defp accept(listener, server) do
    with {:ok, socket} <- :gen_tcp.accept(listener) do
      pid =
        spawn_link(fn ->
          receive do: (:go -> serve(socket, server))
        end)

      :ok = :gen_tcp.controlling_process(socket, pid)
      send(pid, :go)
      accept(listener, server)
    end
  end

  defp serve(socket, server) do
    with {:ok, request} <- read(socket),
         response = GenServer.call(server, {:arrived, request}, :infinity),
         :ok <- answer(socket, response, request) do
      serve(socket, server)
    else
      _ -> :gen_tcp.close(socket)
    end
  end

  defp read(socket) do
    :inet.setopts(socket, packet: :http_bin)

    with {:ok, {:http_request, method, {:abs_path, target}, _}} <- :gen_tcp.recv(socket, 0),
         {:ok, headers} <- read_headers(socket, %{}),
         :ok <- :inet.setopts(socket, packet: :raw),
         {:ok, body} <- read_body(socket, headers["content-length"]) do
      uri = URI.parse(target)

      {:ok,
       %Request{
         method: to_string(method),
         path: uri.path,
         operation: operation(uri.path),
         query: URI.decode_query(uri.query || ""),
         headers: headers,
         body: body,
         json: if(String.starts_with?(body, "{"), do: MLflow.TestJSON.decode!(body))
       }}
    end
  end

  defp operation(@prefix <> operation), do: operation
  defp operation("/" <> path), do: path

  defp read_headers(socket, headers) do
    case :gen_tcp.recv(socket, 0) do
      {:ok, {:http_header, _, name, _, value}} ->
        read_headers(socket, Map.put(headers, String.downcase(to_string(name)), value))

      {:ok, :http_eoh} ->
        {:ok, headers}

      _ ->
        :error
    end
  end

  defp read_body(_socket, length) when length in [nil, "0"], do: {:ok, ""}
  defp read_body(socket, length), do: :gen_tcp.recv(socket, String.to_integer(length))

  defp answer(socket, fun, request) when is_function(fun, 1),
    do: answer(socket, fun.(request), request)

  defp answer(socket, {status, body}, _request) when is_integer(status) and is_map(body) do
    json = [{"content-type", "application/json"}]
    reply(socket, status, json, MLflow.Native.json_encode(body))
  end

  defp answer(socket, {status, headers, body}, _request), do: reply(socket, status, headers, body)
  defp answer(_socket, :close, _request), do: :close

  defp answer(socket, {:truncated, text}, _request) do
    head = "HTTP/1.1 200 OK\r\ncontent-length: #{byte_size(text) + 100}\r\n\r\n"
    :gen_tcp.send(socket, [head, text])
    :close
  end

  defp answer(socket, {:hold, pid}, request) do
    :inet.setopts(socket, active: :once)
    send(pid, {:held, self(), request})

    receive do
      {:answer, response} ->
        :inet.setopts(socket, active: false)
        answer(socket, response, request)

      {:tcp_closed, ^socket} ->
        send(pid, {:hung_up, self()})
        :close
    end
  end

  defp reply(socket, status, headers, body) do
    lines =
      for {name, value} <- headers ++ [{"content-length", byte_size(body)}],
          do: "#{name}: #{value}\r\n"

    :gen_tcp.send(socket, ["HTTP/1.1 #{status} Scripted\r\n", lines, "\r\n", body])
  end
end
