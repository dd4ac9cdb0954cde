defmodule Bench.Wire do
  @moduledoc """
  HTTP/1.1 on one kept connection, with nothing of a client in the way. `quick_ack: true` has Linux
  acknowledge at once what MLflow's server sends in two pieces; without, each answer of its waits
  40 ms for that.
  """

  import Bitwise

  # TCP_QUICKACK of Linux, which has to be set anew around every read.
  @quick_ack {:raw, 6, 12, <<1::32-native>>}

  # MLflow may take its time.
  @patience 300_000

  @enforce_keys [:socket, :host, :before_read]
  defstruct @enforce_keys

  @type t :: %__MODULE__{}

  @spec connect(String.t(), keyword) :: t
  def connect("http://" <> authority, opts \\ []) do
    [host, port] = String.split(authority, ":")
    options = [:binary, active: false, nodelay: true, buffer: 1 <<< 20, recbuf: 1 <<< 20]

    {:ok, socket} = :gen_tcp.connect(String.to_charlist(host), String.to_integer(port), options)

    before_read = if opts[:quick_ack], do: [@quick_ack], else: []
    %__MODULE__{socket: socket, host: authority, before_read: before_read}
  end

  @doc "The answer's body; any status but 200 is a failure of what is measured."
  @spec get(t, String.t()) :: binary
  def get(wire, path),
    do: exchange(wire, ["GET ", path, " HTTP/1.1\r\nhost: ", wire.host, "\r\n\r\n"])

  @spec post(t, String.t(), iodata) :: binary
  def post(wire, path, body), do: exchange(wire, post_request(wire, path, body))

  @doc "A request's bytes, for those who send it later."
  @spec post_request(t, String.t(), iodata) :: iodata
  def post_request(wire, path, body) do
    length = body |> IO.iodata_length() |> Integer.to_string()
    head = ["POST ", path, " HTTP/1.1\r\nhost: ", wire.host]
    [head, "\r\ncontent-type: application/json\r\ncontent-length: ", length, "\r\n\r\n", body]
  end

  @spec exchange(t, iodata) :: binary
  def exchange(%__MODULE__{socket: socket} = wire, request) do
    :ok = :gen_tcp.send(socket, request)
    read(wire, "")
  end

  defp read(wire, received) do
    case :binary.split(received, "\r\n\r\n") do
      ["HTTP/1.1 200" <> _ = head, body] ->
        read_body(wire, length_of(head) - byte_size(body), body)

      [head, body] ->
        raise "the server refused: #{head} #{body}"

      [_] ->
        read(wire, received <> more(wire, 0))
    end
  end

  defp read_body(_wire, 0, body), do: body
  defp read_body(wire, left, body), do: IO.iodata_to_binary([body, more(wire, left)])

  defp more(%__MODULE__{socket: socket, before_read: options}, length) do
    if options != [], do: :ok = :inet.setopts(socket, options)
    {:ok, data} = :gen_tcp.recv(socket, length, @patience)
    data
  end

  defp length_of(head) do
    [_, length] = Regex.run(~r/content-length: (\d+)/i, head)
    String.to_integer(length)
  end
end
