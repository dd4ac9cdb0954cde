defmodule Bench.Tracking.Searches do
  @moduledoc """
  Searches over experiments of 5,000 and 50,000 runs of 20 params and 10 metrics: the same rows in
  both databases, since ours is filled by importing MLflow's.
  """

  alias Bench.{Embedded, Python, Scale, Stats, Tracking, Wire}
  alias Bench.Tracking.Requests

  # Seconds.
  @long 10

  @searches %{
    "metric filter and order" =>
      ~s("filter": "metrics.metric_3 < 0.001", "order_by": ["metrics.metric_3 DESC"]),
    "no filter, default order" => ~s("filter": "")
  }

  def rows(context) do
    theirs = Wire.connect(context.uri, quick_ack: true)

    sizes =
      for size <- [5_000, 50_000], do: {Scale.size(context, size), seed(context, theirs, size)}

    directory = Path.join(context.directory, "imported")
    :ok = Embedded.import(Path.join(context.directory, "mlflow.db"), directory)
    server = Embedded.start(directory)
    wires = [Wire.connect(server.uri), theirs]

    rows =
      for {name, search} <- @searches, size <- sizes, do: row(context, wires, name, search, size)

    :ok = Embedded.stop(server)
    rows
  end

  defp seed(context, wire, size) do
    experiment_id = Requests.experiment(wire)
    Python.call(context.python, ["seed", experiment_id, Scale.size(context, size), "-"])
    experiment_id
  end

  defp row(context, wires, name, search, {size, experiment_id}) do
    body = ~s({"experiment_ids": ["#{experiment_id}"], "max_results": 100, #{search}})
    times = for wire <- wires, do: wire |> times(body, Scale.rounds(context, 5)) |> Stats.median()
    Tracking.row("runs/search of #{size} runs, #{name}, ms", times, :less, 1)
  end

  # MLflow's own may take minutes for one, which then has to do.
  defp times(_wire, _body, 0), do: []

  defp times(wire, body, rounds) do
    {seconds, answer} = Stats.timed(fn -> Requests.post(wire, "runs/search", body) end)
    if length(:binary.matches(answer, "\"run_uuid\"")) != 100, do: raise("not a page of 100 runs")
    [seconds * 1000 | times(wire, body, if(seconds < @long, do: rounds - 1, else: 0))]
  end
end
