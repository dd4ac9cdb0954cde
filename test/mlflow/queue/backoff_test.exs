defmodule MLflow.Queue.BackoffTest do
  use ExUnit.Case, async: true

  alias MLflow.Queue.Backoff

  test "doubles from attempt to attempt, jittered over its upper half" do
    for {attempt, ceiling} <- [{1, 2_000}, {2, 4_000}, {3, 8_000}, {5, 32_000}] do
      delays = for _ <- 1..200, do: Backoff.delay(attempt)
      assert Enum.all?(delays, &(&1 > ceiling / 2 and &1 <= ceiling))
      assert length(Enum.uniq(delays)) > 20
    end
  end

  test "never grows beyond ten minutes" do
    for attempt <- [10, 20, 1_000_000], do: assert(Backoff.delay(attempt) in 300_001..600_000)
  end
end
