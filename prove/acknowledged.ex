defmodule Prove.Acknowledged do
  @moduledoc """
  The file in which a VM notes the calls that were answered, each after its answer, with a write of
  its own: what is in it when the VM is killed was answered.
  """

  @doc "To be opened by every process that writes, since it goes by no other."
  @spec open!(Path.t()) :: :file.fd()
  def open!(path), do: File.open!(path, [:append, :raw])

  @doc "The nth call of this logger was answered; its start is call 0."
  @spec write(:file.fd(), String.t(), non_neg_integer) :: :ok
  def write(file, label, n), do: :ok = :file.write(file, "#{label} #{n}\n")

  @doc "What should not have happened to this logger."
  @spec complain(:file.fd(), String.t(), term) :: :ok
  def complain(file, label, reason) do
    text = reason |> inspect() |> String.replace("\n", " ")
    :ok = :file.write(file, "#{label} ! #{text}\n")
  end

  @doc "The last call of each logger that was answered, and the complaints."
  @spec read(Path.t()) :: {%{String.t() => non_neg_integer}, [String.t()]}
  def read(path) do
    # Behind the last line end is what the kill cut off, if anything.
    lines = path |> read_if_there() |> String.split("\n") |> Enum.drop(-1)

    Enum.reduce(lines, {%{}, []}, fn line, {answered, complaints} ->
      case String.split(line, " ", parts: 3) do
        [label, "!", reason] -> {answered, complaints ++ ["#{label}: #{reason}"]}
        [label, n] -> {Map.put(answered, label, String.to_integer(n)), complaints}
      end
    end)
  end

  # A VM may be killed before anything was answered.
  defp read_if_there(path) do
    case File.read(path) do
      {:ok, text} -> text
      {:error, :enoent} -> ""
    end
  end
end
