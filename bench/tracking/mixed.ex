defmodule Bench.Tracking.Mixed do
  @moduledoc "What sixteen training loops ask at once, each on a connection of its own."

  alias Bench.{Scale, Stats, Wire}
  alias Bench.Tracking.{Beside, Requests}

  @connections 16
  # As many as `life/2` sends.
  @requests 10

  def rows(context, uris) do
    rates =
      for {uri, lives} <- Enum.zip(uris, [400, 20]), do: rate(uri, Scale.size(context, lives))

    [Beside.row("#{@connections} connections of mixed work, requests/s", rates, :more, 0)]
  end

  defp rate(uri, lives) do
    experiment_id = uri |> Wire.connect() |> Requests.experiment()
    wires = for _ <- 1..@connections, do: Wire.connect(uri, quick_ack: true)
    work = fn wire -> for _ <- 1..max(lives, 1), do: life(wire, experiment_id) end

    {seconds, _} =
      Stats.timed(fn ->
        wires
        |> Task.async_stream(work, max_concurrency: @connections, timeout: :infinity)
        |> Stream.run()
      end)

    @connections * max(lives, 1) * @requests / seconds
  end

  # A short training: created, logged to, looked at, found and finished.
  defp life(wire, experiment_id) do
    run_id = Requests.run(wire, experiment_id)

    Requests.post(
      wire,
      "runs/log-parameter",
      ~s({"run_id": "#{run_id}", "key": "rate", "value": "0.1"})
    )

    Requests.post(
      wire,
      "runs/set-tag",
      ~s({"run_id": "#{run_id}", "key": "team", "value": "bench"})
    )

    for step <- 1..4, do: Requests.log_metric(wire, run_id, step)
    Requests.get(wire, "runs/get?run_id=#{run_id}")

    Requests.post(
      wire,
      "runs/search",
      ~s({"experiment_ids": ["#{experiment_id}"], "filter": "metrics.loss < 1", "max_results": 5})
    )

    Requests.post(wire, "runs/update", ~s({"run_id": "#{run_id}", "status": "FINISHED"}))
  end
end
