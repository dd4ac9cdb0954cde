defmodule MLflow.Queue.SpreadTest do
  use ExUnit.Case, async: true

  alias MLflow.Queue.Spread

  test "gives each job a slot, and a place of its own in it" do
    delays = Spread.delays(1_000, spread: 100)
    for {delay, n} <- Enum.with_index(delays), do: assert(delay in (n * 100)..(n * 100 + 99))
    places = for {delay, n} <- Enum.with_index(delays), do: delay - n * 100
    assert length(Enum.uniq(places)) > 50
  end

  test "delays nothing where nothing is to be spread" do
    assert Spread.delays(3, []) == [0, 0, 0]
    assert Spread.delays(3, spread: 0) == [0, 0, 0]
    assert Spread.delays(3, spread: nil) == [0, 0, 0]
    assert Spread.delays(0, spread: 60) == []
  end

  test "takes whole seconds" do
    for wrong <- [-1, 1.5, "60", {1, :minute}] do
      assert_raise ArgumentError, ~r/:spread must be whole seconds, got/, fn ->
        Spread.delays(1, spread: wrong)
      end
    end
  end
end
