defmodule MLflow.FaultProxyTest do
  # What a fault proxy must do for a proof to prove something: what it says, and nothing else.
  use MLflow.Case, async: true

  alias MLflow.{FaultProxy, HttpMessage}

  @answer {200, %{"answer" => 42}}

  defp start_proxy(plan, script \\ fn _request -> @answer end) do
    server = start_server(script)
    opts = [upstream: ScriptedServer.uri(server), plan: plan, seed: 7]
    {start_supervised!({FaultProxy, opts}), server}
  end

  defp connect(proxy) do
    port = URI.parse(FaultProxy.uri(proxy)).port
    options = [:binary, active: false, nodelay: true, show_econnreset: true]
    :gen_tcp.connect({127, 0, 0, 1}, port, options)
  end

  defp ask(socket, body \\ "{}") do
    request = %HttpMessage{start: {"POST", "/api/2.0/mlflow/runs/create"}, body: body}
    :ok = :gen_tcp.send(socket, [HttpMessage.head(request), body])
    socket
  end

  defp ask_once(proxy) do
    {:ok, socket} = connect(proxy)
    ask(socket)
  end

  # All that comes until the connection ends, and how it ends.
  defp read_to_end(socket, so_far \\ "") do
    case :gen_tcp.recv(socket, 0, 5_000) do
      {:ok, more} -> read_to_end(socket, so_far <> more)
      {:error, reason} -> {so_far, reason}
    end
  end

  test "passes requests and answers on, many on one connection" do
    {proxy, server} = start_proxy([])
    {:ok, socket} = connect(proxy)

    for n <- 1..3 do
      assert {:ok, answer} = socket |> ask(~s({"n":#{n}})) |> HttpMessage.read()
      assert {200, _} = answer.start
      assert answer.body == ~s({"answer":42})
      assert HttpMessage.header(answer, "content-type") == "application/json"
    end

    assert for(request <- ScriptedServer.requests(server), do: request.json["n"]) == [1, 2, 3]
    assert ScriptedServer.operations(server) == List.duplicate("runs/create", 3)
    assert FaultProxy.faults(proxy) == %{}
  end

  test "passes chunked messages on, both ways" do
    test = self()
    large = String.duplicate("0123456789abcdef", 1_000)

    # A server that speaks in chunks, which the scripted one does not.
    {:ok, listener} = :gen_tcp.listen(0, [:binary, ip: {127, 0, 0, 1}, active: false])
    {:ok, port} = :inet.port(listener)

    start_supervised!(
      {Task,
       fn ->
         {:ok, socket} = :gen_tcp.accept(listener)
         {:ok, request} = HttpMessage.read(socket)
         send(test, {:request, request})
         answer = %HttpMessage{start: {200, "OK"}, framing: :chunked, body: large}
         :gen_tcp.send(socket, [HttpMessage.head(answer), HttpMessage.encoded_body(answer)])
       end}
    )

    proxy = start_supervised!({FaultProxy, upstream: "http://127.0.0.1:#{port}"})
    {:ok, socket} = connect(proxy)
    request = %HttpMessage{start: {"POST", "/x"}, framing: :chunked, body: large}
    :ok = :gen_tcp.send(socket, [HttpMessage.head(request), HttpMessage.encoded_body(request)])

    assert {:ok, %HttpMessage{framing: :chunked, body: ^large}} = HttpMessage.read(socket)
    assert_receive {:request, %HttpMessage{framing: :chunked, body: ^large}}
  end

  test "refuses connections for a while" do
    {proxy, server} = start_proxy([{:refuse, 100}])
    assert {"", :econnreset} = proxy |> ask_once() |> read_to_end()
    assert {:error, :econnrefused} = connect(proxy)
    eventually(fn -> match?({:ok, _}, connect(proxy)) end)
    assert {:ok, _} = proxy |> ask_once() |> HttpMessage.read()
    assert length(ScriptedServer.requests(server)) == 1
    assert FaultProxy.faults(proxy) == %{"refuse" => 1}
  end

  test "resets before or after the server has acted" do
    for {fault, acted} <- [reset_before: 0, reset_after: 1] do
      {proxy, server} = start_proxy([fault])
      assert {"", :econnreset} = proxy |> ask_once() |> read_to_end()
      assert length(ScriptedServer.requests(server)) == acted
      stop_supervised!(FaultProxy)
    end
  end

  test "gives half an answer" do
    for {fault, ending} <- [reset_inside: :econnreset, truncated: :closed] do
      {proxy, server} = start_proxy([fault])
      assert {text, ^ending} = proxy |> ask_once() |> read_to_end()
      assert text =~ "content-length: 13"
      assert text |> String.split("\r\n\r\n") |> List.last() == ~s({"answ)
      assert length(ScriptedServer.requests(server)) == 1
      stop_supervised!(FaultProxy)
    end
  end

  test "answers in the server's place, before or after it has acted" do
    for {fault, status, acted} <- [
          {{:status, 500}, 500, 0},
          {{:status, 503}, 503, 0},
          {{:status_after, 500}, 500, 1},
          {{:status_after, 503}, 503, 1},
          {{:rate_limit, 3}, 429, 0},
          {:html, 200, 0},
          {:html_after, 200, 1}
        ] do
      {proxy, server} = start_proxy([fault])
      assert {:ok, answer} = proxy |> ask_once() |> HttpMessage.read()
      assert {^status, _} = answer.start
      if status == 429, do: assert(HttpMessage.header(answer, "retry-after") == "3")
      if status == 200, do: assert(answer.body =~ "<!doctype html>")
      assert length(ScriptedServer.requests(server)) == acted
      stop_supervised!(FaultProxy)
    end
  end

  test "is silent, and then gone" do
    {proxy, server} = start_proxy([{:silence, 20}])
    assert {"", :closed} = proxy |> ask_once() |> read_to_end()
    assert ScriptedServer.requests(server) == []
  end

  test "answers late, or lets a request through late, though nobody waits for it any more" do
    {proxy, server} = start_proxy([{:late_answer, 50}, {:late_request, 50}])
    socket = ask_once(proxy)
    assert {:error, :timeout} = :gen_tcp.recv(socket, 0, 1)
    eventually(fn -> length(ScriptedServer.requests(server)) == 1 end)
    assert {:ok, _} = HttpMessage.read(socket)

    :gen_tcp.close(ask(socket))
    eventually(fn -> FaultProxy.in_flight(proxy) == ["runs/create"] end)
    eventually(fn -> length(ScriptedServer.requests(server)) == 2 end)
    eventually(fn -> FaultProxy.in_flight(proxy) == [] end)
  end

  test "draws faults by its seed" do
    table = {:table, [{{:status, 500}, 0.3}, {{:status, 503}, 0.3}]}
    drawn = for _ <- 1..2, do: drawn(table)
    assert [faults, faults] = drawn
    assert faults |> Enum.uniq() |> Enum.sort() == [200, 500, 503]
  end

  defp drawn(table) do
    {proxy, _server} = start_proxy(table)
    assert FaultProxy.seed(proxy) == 7
    {:ok, socket} = connect(proxy)

    statuses =
      for _ <- 1..20 do
        {:ok, answer} = socket |> ask() |> HttpMessage.read()
        elem(answer.start, 0)
      end

    stop_supervised!(FaultProxy)
    statuses
  end

  test "goes by a function, and by another plan when told" do
    {proxy, _server} = start_proxy(fn %{operation: "runs/create"} -> {:status, 503} end)
    assert {:ok, %{start: {503, _}}} = proxy |> ask_once() |> HttpMessage.read()
    FaultProxy.plan(proxy, [])
    assert {:ok, %{start: {200, _}}} = proxy |> ask_once() |> HttpMessage.read()
    assert FaultProxy.faults(proxy) == %{"503" => 1}
  end
end
