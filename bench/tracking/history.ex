defmodule Bench.Tracking.History do
  @moduledoc "The whole history of a metric of 50,000 points, page by page."

  alias Bench.{Scale, Stats, Wire}
  alias Bench.Tracking.{Beside, Requests}

  # The most that MLflow gives at once.
  @page 25_000

  def rows(context, uris) do
    points = Scale.size(context, 50_000)
    rounds = Scale.rounds(context, 3)
    asked = for uri <- uris, do: fill(uri, points)
    # In turns, so that both see the same machine.
    times = for _ <- 1..rounds, do: for({wire, run_id} <- asked, do: fetch(wire, run_id, points))
    medians = times |> Enum.zip() |> Enum.map(&(&1 |> Tuple.to_list() |> Stats.median()))
    [Beside.row("history of #{points} points, ms", medians, :less, 1)]
  end

  defp fill(uri, points) do
    wire = Wire.connect(uri, quick_ack: true)
    run_id = Requests.run(wire, Requests.experiment(wire))

    for first <- 0..(points - 1)//1000 do
      Wire.exchange(wire, Requests.log_batch(wire, run_id, ["loss"], first..(first + 999)))
    end

    {wire, run_id}
  end

  defp fetch(wire, run_id, points) do
    {seconds, ^points} = Stats.timed(fn -> count(wire, run_id, "") end)
    seconds * 1000
  end

  defp count(wire, run_id, token) do
    query = "metrics/get-history?run_id=#{run_id}&metric_key=loss&max_results=#{@page}"
    answer = Requests.get(wire, query <> token)
    found = length(:binary.matches(answer, "\"timestamp\""))

    case Regex.run(~r/"next_page_token":\s*"([^"]+)"/, answer) do
      [_, next] -> found + count(wire, run_id, "&page_token=#{URI.encode_www_form(next)}")
      nil -> found
    end
  end
end
