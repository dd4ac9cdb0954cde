defmodule Bench.Resync do
  @moduledoc """
  An experiment of 500 pushed trials synced again, when nothing differs: what it asks of the
  server, by its report and by the server's own log.
  """

  alias Bench.{Scale, ServerLog, Stats, Trials}

  # One for the experiment, and one for each page of a thousand runs.
  @requests 2

  def title, do: "resync: the experiment of 500 pushed trials synced again"

  def run(context) do
    shape = Scale.shape(context, 500, 50)
    count = Scale.rounds(context, 3)

    Trials.with_instance(context, "resync", fn opts, experiment_id ->
      shape |> Trials.record(opts) |> Trials.push(opts)
      Trials.check!(context, experiment_id, shape)
      rounds = for _ <- 1..count, do: resync(context, experiment_id, shape.trials, opts)
      Trials.check!(context, experiment_id, shape)

      [
        ["of #{count} rounds", "requests", "writes", "seconds"],
        [
          "the most, and the median time",
          "#{rounds |> Enum.map(& &1.requests) |> Enum.max()}",
          "#{rounds |> Enum.map(& &1.writes) |> Enum.max()}",
          Stats.format(rounds |> Enum.map(& &1.seconds) |> Stats.median(), 2)
        ]
      ]
    end)
  end

  defp resync(context, experiment_id, trials, opts) do
    {requests, {seconds, {:ok, report}}} =
      ServerLog.count(context, fn ->
        Stats.timed(fn -> MLflow.Sync.experiment(experiment_id, opts) end)
      end)

    told = {report["runs"], report["unchanged"], report["requests"], report["writes"], requests}
    expected = {trials, trials, @requests, 0, @requests}

    if told != expected,
      do: raise("runs, unchanged, requests, writes, requests seen: #{inspect(told)}")

    %{seconds: seconds, requests: requests, writes: report["writes"]}
  end
end
