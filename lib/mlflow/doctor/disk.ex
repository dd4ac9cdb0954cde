defmodule MLflow.Doctor.Disk do
  @moduledoc false
  # Room on the disk that a folder is on, as `df` tells it.

  alias MLflow.{CLI.Text, Doctor.Finding}

  @little 1_000_000_000
  @hardly_any 100_000_000

  @doc "What there is to say of the disk; nothing where it cannot be told."
  @spec findings(atom, Path.t()) :: [Finding.t()]
  def findings(area, folder) do
    with df when df != nil <- System.find_executable("df"),
         {text, 0} <- System.cmd(df, ["-Pk", existing(folder)], stderr_to_stdout: true),
         {:ok, free} <- free(text) do
      [finding(area, free)]
    else
      _ -> []
    end
  end

  defp existing(folder),
    do: if(File.exists?(folder), do: folder, else: folder |> Path.dirname() |> existing())

  # Of the last line: file system, blocks, used, available, capacity, and where it is mounted.
  defp free(text) do
    with [_ | _] = words <-
           text |> String.split("\n", trim: true) |> List.last() |> String.split(),
         {kilobytes, ""} <- words |> Enum.at(3, "") |> Integer.parse() do
      {:ok, kilobytes * 1024}
    else
      _ -> :error
    end
  end

  defp finding(area, free) when free < @hardly_any,
    do: Finding.problem(area, "its disk is as good as full: #{room(free)}", advice: advice())

  defp finding(area, free) when free < @little,
    do: Finding.warning(area, "its disk is getting full: #{room(free)}", advice: advice())

  defp finding(area, free), do: Finding.ok(area, "its disk has #{room(free)}")

  defp room(free), do: "#{Text.bytes(free)} of room"
  defp advice, do: "make room: without any, nothing more can be recorded"
end
