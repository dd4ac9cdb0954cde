defmodule MLflow.MetricTest do
  use ExUnit.Case, async: true

  alias MLflow.{Error, Metric}

  @at 1_700_000_000_000

  describe "points/2 takes" do
    test "a map, and a keyword list in its order" do
      assert Metric.points(%{"loss" => 0.5}, timestamp: @at) == {:ok, [{"loss", 0.5, 0, @at}]}

      assert Metric.points([loss: 0.5, acc: 1], step: 3, timestamp: @at) ==
               {:ok, [{"loss", 0.5, 3, @at}, {"acc", 1.0, 3, @at}]}
    end

    test "tuples that bring a step and a timestamp of their own" do
      metrics = [{:a, 1}, {:a, 2, 5}, {"a", 3, 6, 42}]

      assert Metric.points(metrics, step: 9, timestamp: @at) ==
               {:ok, [{"a", 1.0, 9, @at}, {"a", 2.0, 5, @at}, {"a", 3.0, 6, 42}]}
    end

    test "maps and structs" do
      metrics = [
        %{key: :a, value: 1},
        %{key: "b", value: 2, step: 4},
        %Metric{key: "c", value: 3.0, step: 5, timestamp: 42},
        %Metric{key: "d", value: 3.0}
      ]

      assert Metric.points(metrics, timestamp: @at) ==
               {:ok,
                [{"a", 1.0, 0, @at}, {"b", 2.0, 4, @at}, {"c", 3.0, 5, 42}, {"d", 3.0, 0, @at}]}

      assert Metric.points(%Metric{key: "c", value: 3.0, timestamp: 1}) ==
               {:ok, [{"c", 3.0, 0, 1}]}

      assert Metric.points(%{key: :c, value: 3}, timestamp: 1) == {:ok, [{"c", 3.0, 0, 1}]}
    end

    test "the special values" do
      assert {:ok, [{_, :nan, _, _}, {_, :infinity, _, _}, {_, :neg_infinity, _, _}]} =
               Metric.points(a: :nan, b: "inf", c: :neg_infinity)
    end

    test "times as DateTime" do
      assert Metric.points([a: 1], timestamp: ~U[2023-11-14 22:13:20Z]) ==
               {:ok, [{"a", 1.0, 0, @at}]}

      assert Metric.points([{:a, 1, 0, ~U[2023-11-14 22:13:20Z]}]) == {:ok, [{"a", 1.0, 0, @at}]}
    end

    test "no metrics at all" do
      assert Metric.points(%{}) == {:ok, []}
      assert Metric.points([]) == {:ok, []}
    end
  end

  test "without a timestamp, a point is of now" do
    before = System.system_time(:millisecond)
    assert {:ok, [{"a", 1.0, 0, at}]} = Metric.points(a: 1)
    assert at in before..System.system_time(:millisecond)
  end

  describe "points/2 refuses" do
    test "a value that is no number, and names its key" do
      for value <- ["good", nil, [1], %{}] do
        assert {:error, %Error{kind: :invalid, retryable: false} = error} =
                 Metric.points(loss: 1, verdict: value)

        assert error.message =~ "metric verdict must be a number"
        assert error.message =~ inspect(value)
      end
    end

    test "a step that is no integer, and names its key" do
      assert {:error, %Error{kind: :invalid} = error} = Metric.points([{:loss, 0.5, 1.5}])
      assert error.message =~ "step of metric loss must be an integer"
    end

    test "what has not the shape of metrics" do
      for wrong <- [[1], [{:a}], [{:a, 1, 2, 3, 4}], "loss=1", nil] do
        assert_raise ArgumentError, ~r/expected/, fn -> Metric.points(wrong) end
      end
    end
  end

  describe "flatten/1" do
    test "keeps numbers by dotted keys, and leaves notes out" do
      metrics = %{
        "n" => 3,
        val: %{loss: 0.5, note: "ok", deep: %{acc: "0.9"}},
        ok: true,
        none: nil,
        list: [1, 2],
        odd: :nan
      }

      assert Metric.flatten(metrics) == [
               {"n", 3.0},
               {"odd", :nan},
               {"ok", 1.0},
               {"val.deep.acc", 0.9},
               {"val.loss", 0.5}
             ]
    end

    test "of nothing is nothing" do
      assert Metric.flatten(nil) == []
      assert Metric.flatten(%{}) == []
    end
  end
end
