defmodule MLflow.ValueTest do
  use ExUnit.Case, async: true

  alias MLflow.{TestJSON, Value}

  defmodule Point do
    defstruct [:x, :y]
  end

  describe "key/1" do
    test "takes atoms and strings" do
      assert Value.key(:lr) == "lr"
      assert Value.key("lr") == "lr"
    end

    test "takes nothing else" do
      for other <- [nil, true, false, 1, ["lr"], %{}] do
        assert_raise ArgumentError, ~r/a key must be an atom or a string/, fn ->
          Value.key(other)
        end
      end
    end
  end

  describe "text/1" do
    test "of simple values is what a reader expects" do
      assert Value.text("relu") == "relu"
      assert Value.text(:relu) == "relu"
      assert Value.text(nil) == ""
      assert Value.text(true) == "true"
      assert Value.text(3) == "3"
      assert Value.text(0.1) == "0.1"
    end

    test "of times is ISO 8601 as Elixir writes it" do
      assert Value.text(~U[2024-01-02 03:04:05Z]) == "2024-01-02 03:04:05Z"
      assert Value.text(~D[2024-01-02]) == "2024-01-02"
    end

    test "of lists and maps is JSON" do
      assert TestJSON.decode!(Value.text([64, 32])) == [64, 32]
      assert TestJSON.decode!(Value.text(%{a: %{b: nil}})) == %{"a" => %{"b" => nil}}
      assert TestJSON.decode!(Value.text(a: 1, b: [c: 2])) == %{"a" => 1, "b" => %{"c" => 2}}
      assert TestJSON.decode!(Value.text([{1, 2}])) == [[1, 2]]
      assert TestJSON.decode!(Value.text(%{1 => ~D[2024-01-02]})) == %{"1" => "2024-01-02"}
      assert TestJSON.decode!(Value.text(%{p: %Point{x: 1}})) == %{"p" => %{"x" => 1, "y" => nil}}
    end

    test "of anything else never raises" do
      assert Value.text(1..3) == "1..3"
      assert Value.text({1, 2}) == "{1, 2}"
      assert Value.text(%Point{x: 1, y: 2}) =~ "Point"
      assert Value.text(self()) =~ "#PID<"
      assert Value.text([self()]) =~ "#PID<"
      assert is_binary(Value.text([1 | 2]))
      assert is_binary(Value.text([<<255>>]))

      assert TestJSON.decode!(Value.text([1_000_000_000_000_000_000_000])) ==
               ["1000000000000000000000"]
    end
  end

  describe "number/1" do
    test "reads numbers, booleans and the special values" do
      assert Value.number(1) === {:ok, 1.0}
      assert Value.number(0.5) === {:ok, 0.5}
      assert Value.number(true) === {:ok, 1.0}
      assert Value.number(false) === {:ok, 0.0}
      assert Value.number(:nan) == {:ok, :nan}
      assert Value.number(:infinity) == {:ok, :infinity}
      assert Value.number(:neg_infinity) == {:ok, :neg_infinity}
    end

    test "reads numbers that are texts, in MLflow's spellings" do
      assert Value.number("0.5") === {:ok, 0.5}
      assert Value.number(" 1e3 ") === {:ok, 1000.0}
      assert Value.number("7") === {:ok, 7.0}
      assert Value.number("NaN") == {:ok, :nan}
      for text <- ["inf", "Infinity", "+inf"], do: assert(Value.number(text) == {:ok, :infinity})
      for text <- ["-inf", "-Infinity"], do: assert(Value.number(text) == {:ok, :neg_infinity})
    end

    test "an integer beyond all doubles is infinite" do
      assert Value.number(Integer.pow(10, 400)) == {:ok, :infinity}
      assert Value.number(-Integer.pow(10, 400)) == {:ok, :neg_infinity}
    end

    test "refuses what is none" do
      for other <- ["ok", "1e999", "0.5x", "", nil, :fast, [1], %{}, {1}] do
        assert Value.number(other) == :error
      end
    end
  end

  describe "pairs/1" do
    test "takes maps, keyword lists and lists of pairs" do
      assert Value.pairs(%{lr: 0.1}) == [{"lr", "0.1"}]
      assert Value.pairs(lr: 0.1, opt: :adam) == [{"lr", "0.1"}, {"opt", "adam"}]
      assert Value.pairs([{"lr", 1}]) == [{"lr", "1"}]
      assert Value.pairs([%{key: :lr, value: 1}]) == [{"lr", "1"}]
    end

    test "refuses the rest with what it expected" do
      assert_raise ArgumentError, ~r/expected a {key, value} pair/, fn -> Value.pairs([1]) end
      assert_raise ArgumentError, ~r/expected a map or a list/, fn -> Value.pairs("lr=1") end
    end
  end

  test "leaves/1 flattens nested maps by dotted paths, and lists are leaves" do
    map = %{a: %{"b" => 1, c: %{d: [1, 2]}}, e: nil}
    assert Value.leaves(map) == [{"a.b", 1}, {"a.c.d", [1, 2]}, {"e", nil}]
    assert Value.leaves(%{at: ~D[2024-01-02]}) == [{"at", ~D[2024-01-02]}]
  end

  describe "milliseconds/1" do
    test "reads times of all kinds" do
      assert Value.milliseconds(nil) == nil
      assert Value.milliseconds(1_700_000_000_000) == 1_700_000_000_000
      assert Value.milliseconds(~U[2023-11-14 22:13:20.123Z]) == 1_700_000_000_123
      assert Value.milliseconds(~N[2023-11-14 22:13:20]) == 1_700_000_000_000
    end

    test "refuses what is no time" do
      for other <- ["now", 1.5, ~D[2024-01-02]] do
        assert_raise ArgumentError, ~r/a time must be a DateTime or milliseconds/, fn ->
          Value.milliseconds(other)
        end
      end
    end
  end

  test "plain/1 leaves nothing that JSON does not have" do
    term = %{
      1 => {:ok, self()},
      "s" => %Point{x: ~U[2024-01-02 03:04:05Z], y: <<255>>},
      {1, 2} => [1 | 2],
      big: Integer.pow(2, 70)
    }

    plain = Value.plain(term)
    decoded = plain |> MLflow.Native.json_encode() |> TestJSON.decode!()

    assert %{"1" => ["ok", pid], "s" => %{"x" => "2024-01-02 03:04:05Z", "y" => bytes}} = decoded
    assert pid =~ "#PID<"
    assert bytes == inspect(<<255>>)
    assert decoded["{1, 2}"] == "[1 | 2]"
    assert decoded["big"] == "1180591620717411303424"
  end
end
