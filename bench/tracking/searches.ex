defmodule Bench.Tracking.Searches do
  @moduledoc """
  Searches over experiments of 5,000 and 50,000 runs of 20 params and 10 metrics: the same rows in
  both databases, since ours is filled by importing MLflow's.
  """

  alias Bench.{Embedded, Python, Scale, Stats, Wire}
  alias Bench.Tracking.{Beside, Requests}

  @searches %{
    "metric filter and order" =>
      ~s("filter": "metrics.metric_3 < 0.01", "order_by": ["metrics.metric_3 DESC"]),
    "no filter, default order" => ~s("filter": "")
  }

  def rows(context) do
    [small, large] = for size <- [5_000, 50_000], do: seed(context, Scale.size(context, size))
    directory = Path.join(context.directory, "imported")
    :ok = Embedded.import(Path.join(context.directory, "mlflow.db"), directory)
    server = Embedded.start(directory)
    uris = [server.uri, context.uri]

    # SQLite plans MLflow's join badly as long as it has not counted its rows: with 50,000 runs a
    # search then takes minutes.
    as_it_is = rows(context, uris, small, "")
    Python.call(context.python, ["analyze"])

    counted =
      for experiment <- [small, large],
          row <- rows(context, uris, experiment, ", MLflow's database analyzed"),
          do: row

    :ok = Embedded.stop(server)
    as_it_is ++ counted
  end

  defp seed(context, runs) do
    experiment_id = context.uri |> Wire.connect() |> Requests.experiment()
    Python.call(context.python, ["seed", experiment_id, runs, "-"])
    {runs, experiment_id}
  end

  defp rows(context, uris, {runs, experiment_id}, note) do
    for {name, search} <- @searches do
      body = ~s({"experiment_ids": ["#{experiment_id}"], "max_results": 100, #{search}})
      # MLflow hangs up on a connection that is idle for seconds.
      wires = for uri <- uris, do: Wire.connect(uri, quick_ack: true)
      rounds = for _ <- 1..Scale.rounds(context, 5), do: Enum.map(wires, &timed(&1, body))
      medians = rounds |> Enum.zip() |> Enum.map(&(&1 |> Tuple.to_list() |> Stats.median()))
      Beside.row("runs/search of #{runs} runs, #{name}#{note}, ms", medians, :less, 1)
    end
  end

  defp timed(wire, body) do
    {seconds, answer} = Stats.timed(fn -> Requests.post(wire, "runs/search", body) end)
    if length(:binary.matches(answer, "\"run_uuid\"")) != 100, do: raise("not a page of 100 runs")
    seconds * 1000
  end
end
