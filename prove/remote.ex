defmodule Prove.Remote do
  @moduledoc """
  What MLflow itself says, by its REST API and without any of the code that is being proved.
  """

  alias MLflow.{HttpMessage, TestJSON}

  @type run :: %{
          run_id: String.t(),
          trial_id: String.t() | nil,
          status: String.t(),
          start_time: integer | nil,
          end_time: integer | nil,
          params: %{String.t() => String.t()},
          tags: %{String.t() => String.t()},
          points: [{String.t(), float | String.t(), integer, integer}]
        }

  @readers 4

  @doc "Every run of the experiment, deleted ones too, with the whole history of its metrics; none while
  there is no such experiment."
  @spec runs(String.t(), String.t()) :: [run]
  def runs(uri, experiment) do
    uri
    |> search_all(experiment)
    |> Task.async_stream(&run(uri, &1), max_concurrency: @readers, timeout: 120_000)
    |> Enum.map(fn {:ok, run} -> run end)
  end

  @doc "Whether the server answers from its database."
  @spec answers?(String.t()) :: boolean
  def answers?(uri) do
    match?(%{}, post(uri, "experiments/search", ~s({"max_results":1})))
  rescue
    _ in [MatchError, RuntimeError] -> false
  end

  @doc "Sets a tag as a colleague would."
  @spec set_tag(String.t(), String.t(), String.t(), String.t()) :: :ok
  def set_tag(uri, run_id, key, value) do
    body = ~s({"run_id":"#{run_id}","key":"#{key}","value":"#{value}"})
    %{} = post(uri, "runs/set-tag", body)
    :ok
  end

  @doc "The ids of the experiment's runs so far."
  @spec run_ids(String.t(), String.t()) :: [String.t()]
  def run_ids(uri, experiment),
    do: for(run <- search_all(uri, experiment), do: run["info"]["run_id"])

  defp search_all(uri, experiment) do
    case request(uri, "GET", "experiments/get-by-name?experiment_name=#{escape(experiment)}", "") do
      {200, %{"experiment" => %{"experiment_id" => id}}} -> search(uri, id, nil)
      {404, _} -> []
    end
  end

  defp search(uri, experiment_id, token) do
    token = if token, do: ~s(,"page_token":"#{token}"), else: ""

    answer =
      post(
        uri,
        "runs/search",
        ~s({"experiment_ids":["#{experiment_id}"],"max_results":1000,"run_view_type":"ALL"#{token}})
      )

    runs = answer["runs"] || []

    case answer["next_page_token"] do
      next when next in [nil, ""] -> runs
      next -> runs ++ search(uri, experiment_id, next)
    end
  end

  defp run(uri, %{"info" => info, "data" => data}) do
    tags = pairs(data["tags"])
    keys = for metric <- data["metrics"] || [], do: metric["key"]

    %{
      run_id: info["run_id"],
      trial_id: tags["thunderline_trial_id"],
      status: info["status"],
      start_time: integer(info["start_time"]),
      end_time: integer(info["end_time"]),
      params: pairs(data["params"]),
      tags: tags,
      points: Enum.flat_map(keys, &history(uri, info["run_id"], &1))
    }
  end

  defp history(uri, run_id, key) do
    query = "run_id=#{run_id}&metric_key=#{escape(key)}&max_results=25000"

    for point <- get(uri, "metrics/get-history?#{query}")["metrics"] || [] do
      {point["key"], value(point["value"]), integer(point["step"] || 0),
       integer(point["timestamp"])}
    end
  end

  defp pairs(list), do: Map.new(list || [], &{&1["key"], &1["value"]})

  # NaN and the infinities come as text.
  defp value(number) when is_number(number), do: number / 1
  defp value(text), do: text

  defp integer(text) when is_binary(text), do: String.to_integer(text)
  defp integer(number), do: number

  defp escape(text), do: URI.encode(text, &URI.char_unreserved?/1)

  defp get(uri, path), do: expect_ok(path, request(uri, "GET", path, ""))
  defp post(uri, path, body), do: expect_ok(path, request(uri, "POST", path, body))

  defp expect_ok(_path, {200, answer}), do: answer
  defp expect_ok(path, answer), do: raise("MLflow refused #{path}: #{inspect(answer)}")

  defp request(uri, method, path, body) do
    %URI{host: host, port: port} = URI.parse(uri)

    message = %HttpMessage{
      start: {method, "/api/2.0/mlflow/#{path}"},
      headers: [
        {"host", "#{host}:#{port}"},
        {"content-type", "application/json"},
        {"connection", "close"}
      ],
      body: body
    }

    options = [:binary, active: false, nodelay: true, buffer: 65_536]
    {:ok, socket} = :gen_tcp.connect(String.to_charlist(host), port, options)
    :ok = :gen_tcp.send(socket, [HttpMessage.head(message), body])
    {:ok, %HttpMessage{start: {status, _}, body: answer}} = HttpMessage.read(socket)
    :gen_tcp.close(socket)
    {status, TestJSON.decode!(answer)}
  end
end
