defmodule MLflow.Doctor.Jobs do
  @moduledoc false
  # What is said of jobs, whichever queue they are in.

  alias MLflow.CLI.Text
  alias MLflow.Doctor.Finding

  @area :queue
  @order ~w(executing available retryable scheduled suspended completed cancelled discarded)
  # A running queue takes what is due within a second, if it has room.
  @long_wait 300_000

  @doc "How many there are, by state."
  @spec counted(%{String.t() => non_neg_integer}) :: Finding.t()
  def counted(counts) do
    case for(state <- @order, n = counts[state], n not in [nil, 0], do: "#{n} #{state}") do
      [] -> Finding.ok(@area, "there are no jobs")
      parts -> Finding.ok(@area, "jobs: " <> Enum.join(parts, ", "))
    end
  end

  @doc "Whether the oldest of those that wait is due for too long (ms)."
  @spec waiting(%{String.t() => non_neg_integer}, integer) :: [Finding.t()]
  def waiting(counts, age) when age > @long_wait do
    n = Map.get(counts, "available", 0) + Map.get(counts, "retryable", 0)

    [
      Finding.warning(
        @area,
        "the oldest of #{Text.count(n, "job")} is due since #{Text.duration(age)}",
        advice:
          "make sure that the application runs, and that its jobs are not all waiting for a " <>
            "server that is down"
      )
    ]
  end

  def waiting(_counts, _age), do: []

  @doc "Those that were given up, some of them with their errors."
  @spec given_up(%{String.t() => non_neg_integer}, [String.t()]) :: [Finding.t()]
  def given_up(counts, lines) do
    case Map.get(counts, "discarded", 0) + Map.get(counts, "cancelled", 0) do
      0 ->
        []

      n ->
        [
          Finding.warning(@area, "#{Text.count(n, "job")} was given up",
            detail: Enum.join(lines, "\n"),
            advice:
              "mend what the errors say, then MLflow.SyncWorker.retry/2 runs such a job again; " <>
                "MLflow.SyncWorker.jobs(state: [:discarded, :cancelled]) lists them all"
          )
        ]
    end
  end

  @doc "A job, in a line."
  @spec called(integer, String.t(), map, String.t()) :: String.t()
  def called(id, action, args, state) do
    target = args |> Map.values() |> Enum.filter(&is_binary/1) |> Enum.join(", ")
    "#{id} #{action} #{Text.value(target, 60)} (#{state})"
  end
end
