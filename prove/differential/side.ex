defmodule Prove.Differential.Side do
  @moduledoc """
  One of the two servers: what cases keep of its answers, and how the next request names it.
  """

  alias MLflow.{HttpMessage, TestJSON}
  alias Prove.Differential.{Normal, Script}

  @api "/api/2.0/mlflow/"
  @timeout 60_000

  defstruct [:host, :port, :kept, :normal]

  @type t :: %__MODULE__{
          host: charlist,
          port: :inet.port_number(),
          kept: %{String.t() => String.t()},
          normal: Normal.t()
        }
  @type answer :: %{status: pos_integer | :none, type: String.t() | nil, body: term}

  @spec new(String.t(), String.t()) :: t
  def new(uri, script) do
    %URI{host: host, port: port} = URI.parse(uri)
    unique = "d#{unique()}.#{script}"

    %__MODULE__{
      host: to_charlist(host),
      port: port,
      kept: %{"u" => unique},
      normal: Normal.new(unique)
    }
  end

  # As long on both sides, since lengths show in answers.
  defp unique do
    moment = <<System.os_time(:microsecond)::48, System.unique_integer([:positive])::16>>
    Base.encode16(moment, case: :lower)
  end

  @doc "Each case with this server's answer, normalised."
  @spec answers(t, [Script.request()]) :: [{Script.request(), answer}]
  def answers(side, cases) do
    {answers, _side} =
      Enum.map_reduce(cases, side, fn request, side ->
        {answer, side} = ask(side, request)
        {{request, answer}, side}
      end)

    answers
  end

  defp ask(side, request) do
    # What orders by time must not depend on how fast a server is.
    Process.sleep(2)
    side = %{side | kept: Map.put(side.kept, "case", "#{side.normal.case}")}
    raw = send_request(side, request)
    side = %{side | kept: Map.merge(side.kept, kept(raw, request))}
    {answer, normal} = Normal.answer(side.normal, raw)
    {answer, %{side | normal: normal}}
  end

  defp kept(raw, request) do
    for {name, path} <- request.keep,
        into: %{},
        do: {name, raw.body |> at(path) |> to_string()}
  end

  defp at(value, []), do: value
  defp at(map, [key | path]) when is_map(map), do: at(map[key], path)
  defp at(list, [index | path]) when is_list(list), do: at(Enum.at(list, to_integer(index)), path)
  # A wrong answer: what needs it shows the difference.
  defp at(_value, _path), do: "missing"

  defp to_integer(text), do: String.to_integer(text)

  defp send_request(side, request) do
    {:ok, socket} = :gen_tcp.connect(side.host, side.port, [:binary, active: false], @timeout)

    try do
      :ok = :inet.setopts(socket, send_timeout: @timeout)
      message = message(side, request)
      # A server may answer before it has read all.
      _ = :gen_tcp.send(socket, [HttpMessage.head(message), HttpMessage.encoded_body(message)])
      socket |> read() |> response()
    after
      :gen_tcp.close(socket)
    end
  end

  defp message(side, request) do
    headers = [{"Host", "#{side.host}:#{side.port}"}, {"Connection", "close"}]
    typed? = request.body == "" or Enum.any?(request.headers, &match?({"Content-Type", _}, &1))
    type = if typed?, do: [], else: [{"Content-Type", "application/json"}]

    %HttpMessage{
      start: {request.method, target(side, request)},
      headers: headers ++ type ++ request.headers,
      body: resolve(side, request.body)
    }
  end

  defp target(side, request) do
    path = side |> resolve(request.target) |> absolute()

    case request.query do
      [] -> path
      query -> path <> "?" <> URI.encode_query(for {k, v} <- query, do: {k, resolve(side, v)})
    end
  end

  defp absolute("/" <> _ = path), do: path
  defp absolute(path), do: @api <> path

  defp resolve(side, text) do
    text
    |> replace(~r/\$\[(\d+) (.*?)\]\$/s, fn [_, count, item] ->
      Enum.map_join(1..String.to_integer(count), ",", &String.replace(item, "#", "#{&1}"))
    end)
    |> replace(~r/\$\{([^}]*)\*(\d+)\}/, fn [_, item, count] ->
      String.duplicate(item, String.to_integer(count))
    end)
    |> replace(~r/\$\{(\w+)\}/, fn [_, name] ->
      Map.get(side.kept, name) || raise ArgumentError, "no earlier case keeps ${#{name}}"
    end)
  end

  defp replace(text, regex, fun) do
    regex
    |> Regex.split(text, include_captures: true)
    |> Enum.map_join(fn part ->
      case Regex.run(regex, part) do
        [^part | _] = match -> fun.(match)
        _ -> part
      end
    end)
  end

  # A server that says nothing is a difference of this case, and the others still count.
  defp read(socket) do
    reading = Task.async(fn -> HttpMessage.read(socket) end)

    case Task.yield(reading, @timeout) || Task.shutdown(reading, :brutal_kill) do
      {:ok, read} -> read
      nil -> :error
    end
  end

  defp response({:ok, %HttpMessage{start: {status, _reason}} = message}) do
    type = HttpMessage.header(message, "content-type")
    %{status: status, type: type, body: decoded(type, message.body)}
  end

  defp response(:error), do: %{status: :none, type: nil, body: ""}

  # Python writes a NaN bare, where it writes JSON itself.
  defp decoded("application/json" <> _, body) do
    ~r/(?<=:)\s*NaN\b/ |> Regex.replace(body, "\"a bare NaN\"") |> TestJSON.decode!()
  rescue
    # No JSON, whatever it says: compared as text.
    _ -> body
  end

  defp decoded(_type, body), do: body
end
