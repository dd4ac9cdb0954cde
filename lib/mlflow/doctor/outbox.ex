defmodule MLflow.Doctor.Outbox do
  @moduledoc false
  # What run loggers left to be delivered, as far as its files tell.

  @behaviour MLflow.Doctor.Area

  alias MLflow.CLI.Text
  alias MLflow.Doctor.Finding

  @area :outbox
  @nearly 0.8

  @impl true
  def examine(%{config: config} = context) do
    case files(Path.expand(config.outbox)) do
      [] -> {[Finding.ok(@area, "nothing waits in the outbox")], context}
      files -> {[waiting(files, config)], context}
    end
  end

  defp files(folder) do
    for path <- Path.wildcard(Path.join(folder, "**"), match_dot: true),
        {:ok, %File.Stat{type: :regular, size: size, mtime: mtime}} <-
          [File.stat(path, time: :posix)],
        size > 0,
        do: {size, mtime}
  end

  defp waiting(files, config) do
    bytes = files |> Enum.map(&elem(&1, 0)) |> Enum.sum()
    oldest = files |> Enum.map(&elem(&1, 1)) |> Enum.min()
    age = Text.duration(max(System.os_time(:second) - oldest, 0) * 1_000)

    title =
      "#{Text.count(length(files), "file")} of #{Text.bytes(bytes)} in the outbox, the oldest " <>
        "untouched for #{age}"

    if bytes > @nearly * config.outbox_limit do
      Finding.warning(@area, title,
        detail: "From #{Text.bytes(config.outbox_limit)} on, logging answers :overloaded.",
        advice: "bring the server back, so that it can be delivered, or raise outbox_limit"
      )
    else
      Finding.info(@area, title)
    end
  end
end
