defmodule Bench.Tracking.LogBatch do
  @moduledoc "Full batches of 1000 points that are all new, encoded before the clock starts."

  alias Bench.{Scale, Stats, Wire}
  alias Bench.Tracking.{Beside, Requests}

  @batch 1000
  @shapes %{"10 keys x 100 steps" => {10, 100}, "1000 keys x 1 step" => {1000, 1}}

  def rows(context, uris) do
    for {name, shape} <- @shapes, connections <- [1, 4] do
      rates =
        for {uri, batches} <- Enum.zip(uris, [400, 12]),
            do: rate(uri, shape, connections, max(Scale.size(context, batches), connections))

      Beside.row("log-batch of #{name}, #{connections} connections, points/s", rates, :more, 0)
    end
  end

  @doc "Logs so many points, of ten keys of one run for each ten thousand."
  @spec log(String.t(), pos_integer) :: :ok
  def log(uri, points) do
    wire = Wire.connect(uri)
    experiment_id = Requests.experiment(wire)

    for _ <- 1..div(points, 10_000) do
      for request <- requests(wire, experiment_id, {10, 100}, 10),
          do: Wire.exchange(wire, request)
    end

    :ok
  end

  defp rate(uri, shape, connections, batches) do
    each = div(batches, connections)

    loads =
      for _ <- 1..connections do
        wire = Wire.connect(uri, quick_ack: true)
        {wire, requests(wire, Requests.experiment(wire), shape, each)}
      end

    {seconds, _} =
      Stats.timed(fn ->
        loads
        |> Task.async_stream(&send_all/1, max_concurrency: connections, timeout: :infinity)
        |> Stream.run()
      end)

    connections * each * @batch / seconds
  end

  defp send_all({wire, requests}), do: for(request <- requests, do: Wire.exchange(wire, request))

  defp requests(wire, experiment_id, {keys, steps}, batches) do
    run_id = Requests.run(wire, experiment_id)
    keys = for key <- 1..keys, do: "metric_#{key}"

    for batch <- 1..batches do
      Requests.log_batch(wire, run_id, keys, (batch * steps)..(batch * steps + steps - 1))
    end
  end
end
