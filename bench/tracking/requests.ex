defmodule Bench.Tracking.Requests do
  @moduledoc "The requests that are sent to both servers."

  alias Bench.Wire

  @api "/api/2.0/mlflow/"
  # The time of everything that is logged.
  @time 1_700_000_000_000

  @spec post(Wire.t(), String.t(), iodata) :: binary
  def post(wire, endpoint, body), do: Wire.post(wire, [@api, endpoint], body)

  @spec get(Wire.t(), String.t()) :: binary
  def get(wire, endpoint), do: Wire.get(wire, [@api, endpoint])

  @doc "A new experiment's id."
  @spec experiment(Wire.t()) :: String.t()
  def experiment(wire) do
    name = "bench #{System.unique_integer([:positive])} #{System.os_time()}"
    wire |> post("experiments/create", ~s({"name": "#{name}"})) |> text("experiment_id")
  end

  @doc "A new run's id."
  @spec run(Wire.t(), String.t()) :: String.t()
  def run(wire, experiment_id) do
    body = ~s({"experiment_id": "#{experiment_id}", "start_time": #{@time}})
    wire |> post("runs/create", body) |> text("run_id")
  end

  @spec log_metric(Wire.t(), String.t(), integer) :: binary
  def log_metric(wire, run_id, step) do
    body =
      ~s({"run_id": "#{run_id}", "key": "loss", "value": 0.5, "timestamp": #{@time}, "step": #{step}})

    post(wire, "runs/log-metric", body)
  end

  @doc "A whole `log-batch` request of so many points, of as many steps of each of the keys."
  @spec log_batch(Wire.t(), String.t(), [String.t()], Range.t()) :: iodata
  def log_batch(wire, run_id, keys, steps) do
    metrics =
      for step <- steps, key <- keys do
        ~s({"key": "#{key}", "value": #{:rand.uniform()}, "timestamp": #{@time + step}, "step": #{step}})
      end

    body = [~s({"run_id": "#{run_id}", "metrics": [), Enum.intersperse(metrics, ", "), "]}"]
    wire |> Wire.post_request([@api, "runs/log-batch"], body) |> IO.iodata_to_binary()
  end

  @doc "The first text of that name in an answer; there is no JSON decoder without a package."
  @spec text(binary, String.t()) :: String.t()
  def text(answer, name) do
    [_, text] = Regex.run(~r/"#{name}":\s*"([^"]*)"/, answer)
    text
  end
end
