defmodule MLflow.RawClient do
  @moduledoc """
  A client of an MLflow server that shares nothing with the library under test: one request, one
  connection.
  """

  alias MLflow.{HttpMessage, TestJSON}

  @doc "Asks an endpoint of `/api/2.0/mlflow`; answers the status and the decoded body."
  def post(uri, endpoint, body, headers \\ []) do
    body = MLflow.Native.json_encode(body)
    headers = [{"content-type", "application/json"} | headers]
    request(uri, "POST", "/api/2.0/mlflow/" <> endpoint, headers, body)
  end

  def get(uri, path, headers \\ []), do: request(uri, "GET", path, headers, "")

  @doc "A run that a client of another language would have logged; answers its id."
  def log_run(uri, experiment_id, fields \\ %{}) do
    {200, %{"run" => %{"info" => %{"run_id" => id}}}} =
      post(uri, "runs/create", Map.merge(%{experiment_id: experiment_id, start_time: 1}, fields))

    id
  end

  defp request(uri, method, target, headers, body) do
    %URI{host: host, port: port} = URI.parse(uri)
    options = [:binary, active: false, packet: :raw]
    {:ok, socket} = :gen_tcp.connect(String.to_charlist(host), port, options)

    try do
      headers = [{"host", "#{host}:#{port}"}, {"connection", "close"} | headers]
      message = %HttpMessage{start: {method, target}, headers: headers, body: body}
      :ok = :gen_tcp.send(socket, [HttpMessage.head(message), HttpMessage.encoded_body(message)])
      {:ok, %{start: {status, _}} = answer} = HttpMessage.read(socket)
      {status, decoded(answer)}
    after
      :gen_tcp.close(socket)
    end
  end

  defp decoded(%{body: body} = answer) do
    type = HttpMessage.header(answer, "content-type") || ""
    if String.starts_with?(type, "application/json"), do: TestJSON.decode!(body), else: body
  end
end
