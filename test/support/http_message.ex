defmodule MLflow.HttpMessage do
  @moduledoc """
  An HTTP/1.1 request or response, read whole from a passive socket and written as it was framed.
  """

  # `start` is `{method, target}` of a request and `{status, reason}` of a response. `framing` tells
  # where the body ends: by its `:length`, by its last chunk (`:chunked`) or by the connection's
  # `:close`.
  defstruct [:start, headers: [], framing: :length, body: ""]

  @type t :: %__MODULE__{
          start: {String.t(), String.t()} | {pos_integer, String.t()},
          headers: [{String.t(), String.t()}],
          framing: :length | :chunked | :close,
          body: binary
        }

  # Headers that speak of one connection, not of the message.
  @hop_by_hop ~w(connection keep-alive proxy-connection te trailer transfer-encoding upgrade
                 content-length)

  @doc "The next message on the connection; `:error` when there is none, or none that is whole."
  @spec read(:gen_tcp.socket()) :: {:ok, t} | :error
  def read(socket) do
    with :ok <- :inet.setopts(socket, packet: :http_bin),
         {:ok, start} <- start(:gen_tcp.recv(socket, 0)),
         {:ok, headers} <- headers(socket, []),
         message = %__MODULE__{start: start, headers: headers},
         framing = framing(message),
         {:ok, body} <- body(socket, framing, message) do
      {:ok, %{message | framing: framing, body: body}}
    else
      _ -> :error
    end
  end

  @doc "A header's value, whatever the case of its name."
  @spec header(t, String.t()) :: String.t() | nil
  def header(%__MODULE__{headers: headers}, name) do
    Enum.find_value(headers, fn {key, value} -> String.downcase(key) == name && value end)
  end

  @doc "The message without the headers that were meant for the connection it came by."
  @spec end_to_end(t) :: t
  def end_to_end(%__MODULE__{} = message) do
    headers = Enum.reject(message.headers, fn {key, _} -> String.downcase(key) in @hop_by_hop end)
    %{message | headers: headers}
  end

  @doc "What goes over the wire before the body."
  @spec head(t) :: iodata
  def head(%__MODULE__{} = message) do
    lines = for {key, value} <- framed(message), do: [key, ": ", value, "\r\n"]
    [first_line(message.start), lines, "\r\n"]
  end

  @doc "The body as it goes over the wire."
  @spec encoded_body(t) :: iodata
  def encoded_body(%__MODULE__{framing: :chunked, body: body}) do
    chunks = for <<chunk::binary-size(4_096) <- body>>, do: ["1000\r\n", chunk, "\r\n"]

    rest = binary_part(body, length(chunks) * 4_096, rem(byte_size(body), 4_096))

    last =
      if rest == "",
        do: [],
        else: [Integer.to_string(byte_size(rest), 16), "\r\n", rest, "\r\n"]

    [chunks, last, "0\r\n\r\n"]
  end

  def encoded_body(%__MODULE__{body: body}), do: body

  defp first_line({status, reason}) when is_integer(status),
    do: "HTTP/1.1 #{status} #{reason}\r\n"

  defp first_line({method, target}), do: "#{method} #{target} HTTP/1.1\r\n"

  defp framed(%{framing: :chunked, headers: headers}),
    do: headers ++ [{"transfer-encoding", "chunked"}]

  defp framed(%{framing: :close, headers: headers}), do: headers ++ [{"connection", "close"}]

  defp framed(%{start: {method, _}, headers: headers, body: ""}) when method in ["GET", "HEAD"],
    do: headers

  defp framed(%{headers: headers, body: body}),
    do: headers ++ [{"content-length", Integer.to_string(byte_size(body))}]

  defp start({:ok, {:http_request, method, {:abs_path, target}, _}}),
    do: {:ok, {to_string(method), target}}

  defp start({:ok, {:http_response, _version, status, reason}}), do: {:ok, {status, reason}}
  defp start(_), do: :error

  defp headers(socket, headers) do
    case :gen_tcp.recv(socket, 0) do
      {:ok, {:http_header, _, key, _, value}} ->
        headers(socket, [{to_string(key), value} | headers])

      {:ok, :http_eoh} ->
        {:ok, Enum.reverse(headers)}

      _ ->
        :error
    end
  end

  defp framing(message) do
    cond do
      header(message, "transfer-encoding") == "chunked" -> :chunked
      header(message, "content-length") -> :length
      # A request without either has no body.
      is_binary(elem(message.start, 0)) -> :length
      elem(message.start, 0) in [204, 304] -> :length
      true -> :close
    end
  end

  defp body(socket, :length, message) do
    case message |> header("content-length") |> Kernel.||("0") |> String.to_integer() do
      0 -> {:ok, ""}
      length -> with :ok <- :inet.setopts(socket, packet: :raw), do: :gen_tcp.recv(socket, length)
    end
  end

  defp body(socket, :chunked, _message), do: chunks(socket, [])

  defp body(socket, :close, _message) do
    with :ok <- :inet.setopts(socket, packet: :raw), do: until_closed(socket, [])
  end

  defp chunks(socket, chunks) do
    with {:ok, line} <- line(socket),
         {size, _extension} <- Integer.parse(line, 16),
         {:ok, chunk} <- chunk(socket, size),
         {:ok, "\r\n"} <- line(socket) do
      if size == 0,
        do: {:ok, chunks |> Enum.reverse() |> IO.iodata_to_binary()},
        else: chunks(socket, [chunk | chunks])
    end
  end

  defp chunk(_socket, 0), do: {:ok, ""}

  defp chunk(socket, size) do
    with :ok <- :inet.setopts(socket, packet: :raw), do: :gen_tcp.recv(socket, size)
  end

  defp line(socket) do
    with :ok <- :inet.setopts(socket, packet: :line), do: :gen_tcp.recv(socket, 0)
  end

  defp until_closed(socket, parts) do
    case :gen_tcp.recv(socket, 0) do
      {:ok, part} -> until_closed(socket, [part | parts])
      {:error, :closed} -> {:ok, parts |> Enum.reverse() |> IO.iodata_to_binary()}
      error -> error
    end
  end
end
