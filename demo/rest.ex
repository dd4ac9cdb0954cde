defmodule Demo.Rest do
  @moduledoc """
  The colleague and the verification on the embedded server: another client, which knows of the
  application no more than the server's address, and speaks MLflow's REST API.
  """

  alias MLflow.{Client, Metric}

  @client [name: Demo.Colleague]
  @statuses %{succeeded: :finished, failed: :failed, cancelled: :killed}
  # What MLflow's store makes of an infinity.
  @largest 1.7976931348623157e308

  def title, do: "another client of the REST API"

  @doc "Adds a run, and a tag to the run `ours`; answers the new run's id."
  @spec colleague(map, String.t(), String.t()) :: String.t()
  def colleague(options, experiment_id, ours) do
    start(options)
    now = Metric.now()
    run = Client.create_run!(experiment_id, [run_name: "colleague-baseline"] ++ @client)

    Client.log_batch!(
      run.run_id,
      [
        params: [model: "nearest-centroid", distance: "euclidean"],
        tags: [author: "a colleague"],
        metrics: for(step <- 1..12, do: {:val_accuracy, 0.80 + 0.01 * step, step, now + step})
      ],
      @client
    )

    Client.update_run!(run.run_id, :finished, @client)
    Client.set_tag!(ours, :reviewed, "yes, promising", @client)
    run.run_id
  end

  # Nothing of it is kept: it only asks.
  defp start(options) do
    {:ok, _} =
      MLflow.start_link(
        @client ++
          [
            tracking_uri: options.uri,
            database: Path.join(options.directory, "colleague.db"),
            sync_interval: 0
          ]
      )
  end

  @doc "Compares what the server has with `trials` and `records`; answers the verdict in a line."
  @spec verify(map, String.t(), [map], [map]) :: String.t()
  def verify(_options, experiment_id, trials, records) do
    problems =
      Enum.flat_map(trials, &named(&1.trial_id, check_trial(&1, experiment_id))) ++
        Enum.flat_map(records, &named("record of #{&1.mlflow_run_id}", check_record(&1)))

    points = trials |> Enum.map(&length(&1.history)) |> Enum.sum()

    verdict =
      "#{length(trials)} trials with #{points} points and #{length(records)} records compared: " <>
        "#{length(problems)} differences"

    if problems == [], do: verdict, else: raise(Enum.join(problems ++ [verdict], "\n"))
  end

  defp named(what, problems), do: Enum.map(problems, &"#{what}: #{&1}")

  # A trial has exactly one run, with its status, its params, every point of its history, and as its
  # metrics the last of each.
  defp check_trial(trial, experiment_id) do
    filter = "tags.thunderline_trial_id = '#{trial.trial_id}'"

    case experiment_id |> Client.search_runs([filter: filter] ++ @client) |> Enum.to_list() do
      [run] ->
        latest = Map.new(trial.history, fn [key, value, _step] -> {to_string(key), value} end)
        latest = Map.merge(latest, strings(trial.metrics))

        compare("status", @statuses[trial.status], run.status) ++
          compare("params", plain(trial.params), plain(run.params)) ++
          compare("metrics", numbers(latest), numbers(run.metrics)) ++
          compare("history", recorded(trial.history), history(run))

      runs ->
        ["#{length(runs)} runs instead of one"]
    end
  end

  # The copy of a run that came back says what the server says.
  defp check_record(record) do
    run = Client.get_run!(record.mlflow_run_id, @client)

    compare("status", record.status, run.status) ++
      compare("params", plain(record.params), plain(run.params)) ++
      compare("metrics", numbers(record.metrics), numbers(run.metrics)) ++
      compare("tags", record.tags, run.tags)
  end

  defp compare(_what, same, same), do: []

  defp compare(what, expected, found),
    do: ["#{what}: expected #{inspect(expected)}, found #{inspect(found)}"]

  defp recorded(history) do
    Enum.sort(for [key, value, step] <- history, do: {to_string(key), number(value), step})
  end

  defp history(run) do
    Enum.sort(
      for key <- Map.keys(run.metrics),
          point <- Client.get_metric_history!(run.run_id, key, @client),
          do: {key, number(point.value), point.step}
    )
  end

  defp numbers(metrics), do: Map.new(metrics, fn {key, v} -> {to_string(key), number(v)} end)

  defp number(:infinity), do: @largest
  defp number(:neg_infinity), do: -@largest
  defp number("Infinity"), do: @largest
  defp number("-Infinity"), do: -@largest
  defp number(value) when is_number(value), do: value / 1
  defp number(other), do: other

  # Params are strings in MLflow: a number is compared as one, whatever its spelling.
  defp plain(params) do
    Map.new(params, fn {key, value} ->
      case Float.parse(to_string(value)) do
        {number, ""} -> {to_string(key), number}
        _ -> {to_string(key), to_string(value)}
      end
    end)
  end

  defp strings(map), do: Map.new(map, fn {key, value} -> {to_string(key), value} end)
end
