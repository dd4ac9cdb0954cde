defmodule MLflow.Doctor.Report do
  @moduledoc false
  # The findings: for people, and for scripts.

  alias MLflow.CLI.{Output, Text}

  @titles %{
    doctor: "Doctor",
    runtime: "Runtime",
    configuration: "Configuration",
    store: "Store",
    queue: "Queue",
    outbox: "Outbox",
    embedded_server: "Embedded server",
    connection: "Connection",
    server: "Server",
    experiment: "Default experiment",
    clock: "Clock",
    limits: "Limits",
    write_check: "Write check"
  }

  @colours %{ok: :green, info: :default_color, warning: :yellow, problem: :red}
  @indent 11

  @doc "Prints the findings, area by area, and how many of them want something done."
  @spec print(Output.t(), [MLflow.Doctor.Finding.t()]) :: :ok
  def print(output, findings) do
    for {area, findings} <- by_area(findings) do
      Output.heading(output, Map.fetch!(@titles, area))
      Enum.each(findings, &print_finding(output, &1))
    end

    Output.puts(output, ["\n", summary(findings)])
  end

  # In the order in which they were looked at.
  defp by_area(findings), do: findings |> Enum.chunk_by(& &1.area) |> Enum.map(&{hd(&1).area, &1})

  defp print_finding(output, finding) do
    level = finding.level |> Atom.to_string() |> String.pad_trailing(@indent - 3)
    "  " <> title = Text.wrap(Text.printable(finding.title), @indent, 2)
    level = Output.colour(output, level, Map.fetch!(@colours, finding.level))
    Output.puts(output, ["  ", level, " ", title])
    if finding.detail, do: Output.puts(output, Text.wrap(Text.printable(finding.detail), @indent))

    if finding.advice,
      do:
        Output.puts(
          output,
          Text.wrap("-> " <> Text.printable(finding.advice), @indent + 3, @indent)
        )
  end

  defp summary(findings) do
    case {count(findings, :problem), count(findings, :warning)} do
      {0, 0} ->
        "All is well."

      {0, warnings} ->
        "#{Text.count(warnings, "warning")}; nothing keeps a sync from working."

      {problems, 0} ->
        "#{Text.count(problems, "problem")}."

      {problems, warnings} ->
        "#{Text.count(problems, "problem")}, #{Text.count(warnings, "warning")}."
    end
  end

  defp count(findings, level), do: Enum.count(findings, &(&1.level == level))

  @doc "The same as one JSON-ready map."
  @spec to_map(MLflow.Doctor.verdict(), [MLflow.Doctor.Finding.t()]) :: map
  def to_map(verdict, findings) do
    %{
      "ok" => verdict != :problems,
      "verdict" => Atom.to_string(verdict),
      "problems" => count(findings, :problem),
      "warnings" => count(findings, :warning),
      "findings" => Enum.map(findings, &entry/1)
    }
  end

  defp entry(finding) do
    %{
      "area" => Atom.to_string(finding.area),
      "level" => Atom.to_string(finding.level),
      "title" => finding.title,
      "detail" => finding.detail,
      "advice" => finding.advice
    }
  end
end
