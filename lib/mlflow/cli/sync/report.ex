defmodule MLflow.CLI.Sync.Report do
  @moduledoc false
  # What a sync did: for people, and for scripts.

  alias MLflow.{CLI.Advice, CLI.Output, CLI.Text, Error}
  alias MLflow.CLI.Sync.{Wording, Work}

  @doc "Prints conflicts, failures and, unless quiet, the sums."
  @spec print(Output.t(), map, boolean) :: :ok
  def print(output, %{outcomes: outcomes} = result, quiet?) do
    print_conflicts(output, outcomes)
    print_duplicates(output, outcomes)
    print_failures(output, outcomes)
    unless quiet?, do: print_summary(output, result)
    :ok
  end

  defp print_conflicts(output, outcomes) do
    found = for outcome <- outcomes, conflict <- conflicts(outcome), do: {outcome, conflict}

    if found != [] do
      Output.heading(output, "Conflicts: changed on both sides")

      for {outcome, conflict} <- found,
          do: Output.puts(output, Text.wrap(conflict_line(outcome, conflict), 4, 2))
    end
  end

  # A conflict within an experiment says itself which run it is of, where that is known.
  defp conflict_line(outcome, conflict) do
    run = conflict["mlflow_run_id"] || run_id(outcome)
    run = if run, do: " (run #{Text.value(run)})", else: ""
    "#{Wording.target(outcome)}#{run}, #{Wording.conflict(conflict)}"
  end

  defp print_duplicates(output, outcomes) do
    found = for outcome <- outcomes, id <- duplicates(outcome), do: {outcome, id}

    if found != [] do
      Output.heading(output, "Further runs of the same trial, left alone")

      for {outcome, id} <- found,
          do: Output.puts(output, "  #{Wording.target(outcome)}: run #{Text.value(id)}")

      advice =
        "-> delete those that nobody needs, with MLflow.Client.delete_run/2 or in the web UI"

      Output.puts(output, Text.wrap(advice, 5, 2))
    end
  end

  defp print_failures(output, outcomes) do
    failures = Enum.flat_map(outcomes, &failures/1)
    not_tried = Enum.count(outcomes, &(&1.result == :not_tried))

    if failures != [] or not_tried > 0 do
      Output.warn(output, ["\n", Output.colour(output, "Failed", :bright)])

      for {message, advice} <- failures do
        Output.warn(output, Output.colour(output, Text.wrap(Text.printable(message), 4, 2), :red))
        if advice, do: Output.warn(output, Text.wrap("-> " <> advice, 7, 4))
      end

      if not_tried > 0, do: Output.warn(output, "  #{not_tried} more, which were not tried")
    end
  end

  # An advice is given once for many failures of one kind.
  defp failures(%{result: {:error, error}} = outcome),
    do: [{"#{Wording.target(outcome)}: #{Exception.message(error)}", Advice.of(error)}]

  defp failures(%{result: {:ok, %{"failed" => failed}}} = outcome) do
    for %{"id" => id} = failure <- failed do
      error = Error.from_map(failure)
      {"#{Wording.target(outcome)}, #{id}: #{Exception.message(error)}", Advice.of(error)}
    end
  end

  defp failures(_outcome), do: []

  defp print_summary(output, result) do
    sums = sums(result)
    done = sums["done"]

    parts =
      ["#{done} of #{Text.count(length(result.outcomes), "target")} done"] ++
        counted(sums["failed"], "failed") ++
        counted(sums["not_tried"], "not tried") ++
        conflicted(length(sums["conflicts"])) ++
        [
          "#{Text.count(sums["pushed"], "run")} pushed, #{sums["pulled"]} pulled",
          "#{Text.count(sums["requests"], "request")} in #{Text.duration(result.ms)}"
        ]

    Output.puts(output, ["\n", Text.wrap(Enum.join(parts, "; "), 0)])
  end

  defp conflicted(0), do: []
  defp conflicted(n), do: [Text.count(n, "conflict")]

  defp counted(0, _what), do: []
  defp counted(n, what), do: ["#{n} #{what}"]

  @doc "The same as one JSON-ready map."
  @spec to_map(map) :: map
  def to_map(result) do
    result
    |> sums()
    |> Map.merge(%{
      "dry_run" => false,
      "tracking_uri" => result.tracking_uri,
      "duration_ms" => result.ms,
      "trials" => entries(result.outcomes, :trial),
      "experiments" => entries(result.outcomes, :experiment)
    })
  end

  @doc "The outcomes of one kind as JSON-ready maps."
  @spec entries([map], :trial | :experiment) :: [map]
  def entries(outcomes, kind) do
    for %{target: %{kind: ^kind}} = outcome <- outcomes do
      Map.merge(
        %{"id" => outcome.target.id, "label" => outcome.label, "duration_ms" => outcome.ms},
        entry(outcome.result)
      )
    end
  end

  defp entry({:ok, plans}) when is_list(plans), do: %{"ok" => true, "plans" => plans}
  defp entry({:ok, %{"failed" => [_ | _]} = r}), do: %{"ok" => false, "report" => r}
  defp entry({:ok, report}), do: %{"ok" => true, "report" => report}
  defp entry(:absent), do: %{"ok" => true, "absent" => true}
  defp entry({:error, error}), do: %{"ok" => false, "error" => Error.to_map(error)}

  defp entry(:not_tried),
    do: %{"ok" => false, "error" => %{"kind" => "not_tried", "message" => "not tried"}}

  defp sums(%{outcomes: outcomes}) do
    not_tried = Enum.count(outcomes, &(&1.result == :not_tried))
    failed = Enum.count(outcomes, &Work.failed?/1)
    reports = for %{result: {:ok, report}} <- outcomes, do: report

    %{
      "pushed" => reports |> Enum.map(&pushed/1) |> Enum.sum(),
      "pulled" => reports |> Enum.map(&pulled/1) |> Enum.sum(),
      "requests" => total(reports, "requests"),
      "writes" => total(reports, "writes"),
      "ok" => failed == 0,
      "done" => length(outcomes) - failed,
      "failed" => failed - not_tried,
      "not_tried" => not_tried,
      "conflicts" => Enum.flat_map(outcomes, &named_conflicts/1)
    }
  end

  # In runs: an experiment counts them itself, and a trial has one.
  defp pushed(%{"runs" => _} = report), do: report["pushed"]
  defp pushed(%{"creation" => "created"}), do: 1
  defp pushed(report), do: min(report["pushed"], 1)

  defp pulled(%{"runs" => _} = report), do: report["pulled"]
  defp pulled(report), do: min(report["pulled"], 1)

  defp total(reports, key), do: reports |> Enum.map(& &1[key]) |> Enum.sum()

  defp named_conflicts(%{target: %{kind: kind}} = outcome) do
    for conflict <- conflicts(outcome) do
      conflict
      |> Map.put(Atom.to_string(kind), outcome.label)
      |> Map.put_new("mlflow_run_id", run_id(outcome))
    end
  end

  defp conflicts(%{result: {:ok, report}}), do: Map.get(report, "conflicts", [])
  defp conflicts(_outcome), do: []

  defp duplicates(%{result: {:ok, report}}), do: Map.get(report, "duplicates", [])
  defp duplicates(_outcome), do: []

  defp run_id(%{result: {:ok, report}}), do: report["mlflow_run_id"]
end
