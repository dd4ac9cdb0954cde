defmodule Bench.Tracking do
  @moduledoc "The embedded tracking server beside MLflow's own: the same bytes sent to both, in turns."

  alias Bench.{Embedded, Scale, Stats}
  alias Bench.Tracking.{History, Latency, LogBatch, Mixed, Searches}

  @starts 5

  def title, do: "tracking: the embedded tracking server beside MLflow's own"

  def run(context) do
    directory = Path.join(context.directory, "tracking")
    server = Embedded.start(directory)
    idle = Embedded.memory(server)
    both = [server.uri, context.uri]

    rows =
      Latency.rows(context, both) ++
        Mixed.rows(context, both) ++ LogBatch.rows(context, both) ++ History.rows(context, both)

    points = Scale.size(context, 1_000_000)
    LogBatch.log(server.uri, points)
    full = Embedded.memory(server)
    :ok = Embedded.stop(server)

    [["", "ours", "MLflow's", "ratio"] | rows] ++
      Searches.rows(context) ++
      [
        alone("resident, idle, MB", idle),
        alone("resident, #{points} points later, MB", full),
        alone("cold start to the first answer, ms, median of #{@starts}", start_ms(directory))
      ]
  end

  defp alone(what, figure), do: [what, Stats.format(figure, 1), "", ""]

  # With all that was logged in its database.
  defp start_ms(directory) do
    Stats.median(
      for _ <- 1..@starts do
        server = Embedded.start(directory)
        :ok = Embedded.stop(server)
        server.start_ms
      end
    )
  end
end
