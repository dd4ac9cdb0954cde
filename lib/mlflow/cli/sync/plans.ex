defmodule MLflow.CLI.Sync.Plans do
  @moduledoc false
  # What a sync would do, field by field: for people, and for scripts.

  alias MLflow.CLI.{Advice, Output, Text}
  alias MLflow.CLI.Sync.{Report, Wording, Work}

  @doc "Prints the plans, and unless quiet also those that are empty, and the sums."
  @spec print(Output.t(), map, boolean) :: :ok
  def print(output, %{outcomes: outcomes}, quiet?) do
    outcomes = without_repetition(outcomes)
    Enum.each(outcomes, &print_outcome(output, &1, quiet?))
    unless quiet?, do: print_summary(output, outcomes)
    :ok
  end

  # With --all a trial may be planned by itself and within its experiment, which knows more.
  defp without_repetition(outcomes) do
    covered =
      for %{target: %{kind: :experiment}, result: {:ok, plans}} <- outcomes,
          %{"trial_id" => id} when id != nil <- plans,
          into: MapSet.new(),
          do: id

    Enum.reject(outcomes, fn
      %{target: %{kind: :trial}, result: {:ok, [%{"trial_id" => id}]}} -> id in covered
      _outcome -> false
    end)
  end

  defp print_outcome(output, %{target: target, result: {:ok, plans}} = outcome, quiet?) do
    if target.kind == :experiment and not quiet?,
      do:
        Output.heading(output, "#{Wording.target(outcome)}: #{Text.count(length(plans), "run")}")

    for plan <- plans, not (quiet? and empty?(plan)), do: print_plan(output, plan, outcome)
  end

  defp print_outcome(output, %{result: :absent} = outcome, false),
    do: Output.puts(output, "#{Wording.target(outcome)} does not exist in MLflow yet")

  defp print_outcome(_output, %{result: :absent}, true), do: :ok

  defp print_outcome(output, %{result: {:error, error}} = outcome, _quiet?),
    do:
      Output.error(
        output,
        "#{Wording.target(outcome)}: #{Exception.message(error)}",
        Advice.of(error)
      )

  defp print_outcome(output, %{result: :not_tried} = outcome, _quiet?),
    do: Output.error(output, "#{Wording.target(outcome)}: not tried")

  defp print_plan(output, plan, outcome) do
    if empty?(plan) do
      Output.puts(output, "#{called(plan, outcome)}: nothing to do")
    else
      Output.puts(output, Output.colour(output, called(plan, outcome), :bright))
      for line <- plan |> rows() |> Text.columns(2), do: Output.puts(output, line)
    end
  end

  defp called(plan, outcome) do
    trial =
      cond do
        outcome.target.kind == :trial -> Wording.target(outcome)
        plan["trial_id"] -> "trial #{Text.value(plan["trial_id"], 60)}"
        true -> "no trial here"
      end

    "#{trial} -> #{run(plan)}"
  end

  defp run(%{"creates" => true}), do: "a new run"
  defp run(%{"mlflow_run_id" => id}), do: "run #{Text.value(id)}"

  defp rows(plan) do
    changes =
      for change <- plan["changes"] do
        [
          Text.value(change["side"]),
          Wording.field(change),
          "#{Text.value(change["from"], 25)} -> #{Text.value(change["to"], 25)}"
        ]
      end

    conflicts =
      for conflict <- plan["conflicts"] do
        ["conflict", Wording.field(conflict), Wording.values(conflict, 24)]
      end

    changes ++ conflicts
  end

  defp empty?(plan),
    do: not plan["creates"] and plan["changes"] == [] and plan["conflicts"] == []

  defp print_summary(output, outcomes) do
    plans = plans(outcomes)
    changes = Enum.flat_map(plans, & &1["changes"])
    side = fn side -> Enum.count(changes, &(&1["side"] == side)) end
    failed = Enum.count(outcomes, &Work.failed?/1)
    failed = if failed > 0, do: "; #{failed} could not be planned", else: ""

    text =
      "#{Text.count(Enum.count(plans, & &1["creates"]), "run")} to create, " <>
        "#{Text.count(side.("push"), "field")} to push, #{side.("pull")} to pull, " <>
        "#{Text.count(Enum.count(plans, &(&1["conflicts"] != [])), "trial")} in conflict#{failed}."

    Output.puts(output, ["\n", text, "\n", "Nothing was written."])
  end

  @doc "The same as one JSON-ready map."
  @spec to_map(map) :: map
  def to_map(%{outcomes: outcomes} = result) do
    failed = Enum.count(outcomes, &Work.failed?/1)

    %{
      "ok" => failed == 0,
      "dry_run" => true,
      "failed" => failed,
      "tracking_uri" => result.tracking_uri,
      "duration_ms" => result.ms,
      "trials" => Report.entries(outcomes, :trial),
      "experiments" => Report.entries(outcomes, :experiment)
    }
  end

  defp plans(outcomes), do: for(%{result: {:ok, plans}} <- outcomes, plan <- plans, do: plan)
end
