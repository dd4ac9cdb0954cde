defmodule Bench.Logger do
  @moduledoc """
  A million points logged in a tight loop by one process while MLflow is down, then delivered:
  how long `MLflow.RunLogger.log/3` takes, and that nothing is lost. Beside MLflow's own client's
  asynchronous `log_metric`, which needs the server up.
  """

  alias Bench.{Histogram, Points, Python, Scale, Server, Stats, Trials}
  alias MLflow.RunLogger

  @patience 600_000

  def title, do: "logger: RunLogger.log with MLflow down, one call after the other"

  def run(context) do
    count = Scale.size(context, 1_000_000)
    fewer = Scale.size(context, 50_000)
    timer = Points.log(count, fn _step -> :ok end)
    server = Server.absent(Path.join(context.directory, "logger"))
    {ours, delivered} = ours(%{context | uri: server.uri}, server, count)
    theirs = python(context, fewer)

    [
      ["", "ours, MLflow down", "the timer itself", "Python, MLflow up"],
      ["points", "#{count}", "#{count}", "#{fewer}"]
      | latencies(ours, timer, theirs)
    ] ++
      [
        ["delivered, s", Stats.format(delivered, 1), "", Stats.format(theirs["delivered"], 1)],
        ["points/s", per_second(count, delivered), ""] ++
          [per_second(fewer, theirs["delivered"])],
        ["lost, doubled", "0, 0", "", "0, 0"]
      ]
  end

  defp latencies(ours, timer, theirs) do
    shares = [{"median", 0.5, "p50"}, {"p99", 0.99, "p99"}]
    shares = shares ++ [{"p99.9", 0.999, "p999"}, {"longest", 1.0, "max"}]

    for {title, share, key} <- shares do
      ["#{title}, µs", percentile(ours, share), percentile(timer, share)] ++
        [Stats.format(theirs[key], 2)]
    end
  end

  defp percentile(histogram, share), do: Stats.format(Histogram.percentile(histogram, share), 2)
  defp per_second(count, seconds), do: Stats.format(count / seconds, 0)

  # The server's address is one where nothing listens until all is logged.
  defp ours(context, server, count) do
    Trials.with_offline_instance(context, "logger", fn opts ->
      {:ok, logger} = RunLogger.start_link([run_name: "logger"] ++ opts)
      histogram = Points.log(count, &(:ok = RunLogger.log(logger, %{loss: 0.5}, step: &1)))
      server = Server.start(server)

      {delivered, {:ok, :delivered}} =
        Stats.timed(fn -> RunLogger.close(logger, timeout: @patience) end)

      Points.check!(context, Server.database(server), count)
      Server.stop(server)
      {histogram, delivered}
    end)
  end

  defp python(context, count) do
    Trials.with_instance(context, "logger-python", fn _opts, experiment_id ->
      answer = Python.call(context.python, ["log_async", experiment_id, count])
      command = ["whole", experiment_id, 0, count]
      %{"complete" => 1.0} = Python.call(context.python, command)
      answer
    end)
  end
end
