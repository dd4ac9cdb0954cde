defmodule MLflow.CLI.Sync.Wording do
  @moduledoc false
  # How targets, outcomes and conflicts are called in a line of text.

  alias MLflow.CLI.Text

  @doc "What an outcome's target is called."
  @spec target(map) :: String.t()
  def target(%{target: %{kind: kind}, label: label}), do: "#{kind} #{Text.value(label, 60)}"

  @doc "An outcome in one line."
  @spec outcome(map) :: String.t()
  def outcome(outcome), do: "#{target(outcome)}: #{result(outcome.result)}"

  defp result({:ok, plans}) when is_list(plans), do: "planned"

  defp result({:ok, %{"runs" => runs} = report}) do
    failed = length(report["failed"])
    failed = if failed > 0, do: ", #{failed} failed", else: ""

    "#{Text.count(runs, "run")}, #{report["unchanged"]} unchanged, #{report["pushed"]} pushed, " <>
      "#{report["pulled"]} pulled#{failed} (#{Text.count(report["requests"], "request")})"
  end

  defp result({:ok, report}) do
    "#{changes(report)} (#{Text.count(report["requests"], "request")}), run #{report["mlflow_run_id"]}"
  end

  defp result({:error, error}), do: "failed: #{Exception.message(error)}"
  defp result(:absent), do: "does not exist in MLflow yet"
  defp result(:not_tried), do: "not tried"

  defp changes(%{"creation" => "created"} = report), do: "created, #{sent(report)}"
  defp changes(%{"creation" => "adopted"} = report), do: "found again, #{sent(report)}"
  defp changes(%{"pushed" => 0, "pulled" => 0}), do: "nothing to do"
  defp changes(report), do: sent(report)

  defp sent(%{"pushed" => pushed, "pulled" => 0}), do: "#{pushed} pushed"
  defp sent(%{"pushed" => pushed, "pulled" => pulled}), do: "#{pushed} pushed, #{pulled} pulled"

  @doc "A field of a change or a conflict: `param lr`, `status`."
  @spec field(map) :: String.t()
  def field(%{"field" => field, "key" => key}) when key != nil,
    do: Text.value("#{field} #{key}", 30)

  def field(%{"field" => field}), do: Text.value(field, 30)

  @doc "A conflict: both values and whose stays."
  @spec conflict(map) :: String.t()
  def conflict(conflict), do: "#{field(conflict)}: #{values(conflict, 40)}"

  @doc "The values of a conflict, each in `width` characters at most, and whose stays."
  @spec values(map, pos_integer) :: String.t()
  def values(conflict, width) do
    "here #{Text.value(conflict["local"], width)}, " <>
      "MLflow #{Text.value(conflict["remote"], width)}; #{winner(conflict["winner"])}"
  end

  defp winner(winner) when winner in [:local, "local"], do: "ours wins"
  defp winner(winner) when winner in [:remote, "remote"], do: "MLflow's wins"
  defp winner(other), do: "#{Text.value(other)} wins"
end
