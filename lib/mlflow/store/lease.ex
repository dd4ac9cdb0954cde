defmodule MLflow.Store.Lease do
  @moduledoc false
  # How long a claim to create a run holds, and what those are told who come meanwhile.

  alias MLflow.{Config, Error, Metric}

  # A claim outlives the search and the creation it is taken for, so that a live one is never taken
  # over.
  @grace 5_000

  # The other worker is mostly done long before its claim runs out.
  @look_again 5_000

  @doc "A lease's length in ms."
  @spec length(Config.t()) :: pos_integer
  def length(%Config{total_timeout: timeout}), do: 2 * timeout + @grace

  @doc "The error for whoever finds the claim of a trial's run held until a time (ms)."
  @spec busy(trial_id :: String.t(), until :: integer) :: Error.t()
  def busy(trial_id, until) do
    Error.new(
      :conflict,
      "claim",
      "another worker is creating the run of trial #{trial_id}",
      retryable: true,
      retry_after: (until - Metric.now()) |> max(1_000) |> min(@look_again)
    )
  end
end
