defmodule Bench.Tracking.Latency do
  @moduledoc "Requests one after another on one kept connection: how long each takes."

  alias Bench.{Scale, Stats, Wire}
  alias Bench.Tracking.{Beside, Requests}

  @warming 20

  def rows(context, uris) do
    requests = %{"create_run" => &create/2, "log_metric" => &log/2, "get_run" => &get/2}

    for {name, request} <- requests, quick_ack <- [false, true] do
      # MLflow's own takes 48 ms of each without quick acknowledgements.
      count = Scale.size(context, if(quick_ack, do: 300, else: 100))
      times = for uri <- uris, do: median(uri, request, count, quick_ack)
      kind = if quick_ack, do: "quick ACK", else: "keep-alive"
      Beside.row("#{name}, one connection, #{kind}, p50, ms", times, :less, 2)
    end
  end

  defp median(uri, request, count, quick_ack) do
    wire = Wire.connect(uri, quick_ack: quick_ack)
    experiment_id = Requests.experiment(wire)
    ids = {experiment_id, Requests.run(wire, experiment_id)}
    for _ <- 1..@warming, do: request.(wire, ids)

    Stats.median(
      for _ <- 1..count, do: elem(Stats.timed(fn -> request.(wire, ids) end), 0) * 1000
    )
  end

  defp create(wire, {experiment_id, _run_id}), do: Requests.run(wire, experiment_id)

  defp log(wire, {_experiment_id, run_id}),
    do: Requests.log_metric(wire, run_id, System.unique_integer([:positive]))

  defp get(wire, {_experiment_id, run_id}), do: Requests.get(wire, "runs/get?run_id=#{run_id}")
end
