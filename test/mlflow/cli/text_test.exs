defmodule MLflow.CLI.TextTest do
  use ExUnit.Case, async: true

  alias MLflow.CLI.Text
  alias MLflow.Crash

  test "control characters and changes of direction are spelled out" do
    assert Text.printable("a\e[2J\rb\u202Ec\u009Bd\n") == "a\\x{1B}[2J\\x{D}b\\x{202E}c\\x{9B}d\n"
    assert Text.printable("Ünïcode …") == "Ünïcode …"
    assert Text.printable(<<"a", 0xFF>>) == "<<97, 255>>"
    assert Text.value("two\nlines") == "two lines"
    assert {Text.value(nil), Text.value(0.5)} == {"nothing", "0.5"}
  end

  test "a long text loses its middle" do
    assert Text.shorten("abcdefghij", 10) == "abcdefghij"
    assert Text.shorten("abcdefghijk", 10) == "abcd…ghijk"
  end

  test "words are wrapped, and longer ones kept whole" do
    words = String.duplicate("word ", 50)
    lines = words |> Text.wrap(4, 2) |> String.split("\n")
    assert Enum.all?(lines, &(String.length(&1) <= Text.width()))
    assert [<<"  word", _::binary>>, <<"    word", _::binary>> | _] = lines
    assert lines |> Enum.flat_map(&String.split/1) |> length() == 50

    address = String.duplicate("a", 150)
    assert Text.wrap("see #{address} there", 0) == "see\n#{address}\nthere"
    assert Text.wrap("", 3) == ""
    assert Text.wrap("a\n\nb", 1) == " a\n\n b"
  end

  test "columns are as wide as their widest text" do
    assert Text.columns([["a", "bb", "c"], ["aaa", "b", "cc"]], 2) == [
             "  a    bb  c",
             "  aaa  b   cc"
           ]

    assert Text.columns([], 2) == []
  end

  test "quantities are told in units of their size" do
    assert Enum.map([0.04, 12.3, 1_500, 130_000, 7_200_000, 200_000_000], &Text.duration/1) ==
             ["0.0 ms", "12 ms", "1.5 s", "2 min", "2 h", "2 days"]

    assert Enum.map([1, 12_345, 12_345_678, 12_345_678_901], &Text.bytes/1) ==
             ["1 byte", "12.3 kB", "12.3 MB", "12.3 GB"]

    assert {Text.count(1, "run"), Text.count(2, "run")} == {"1 run", "2 runs"}
  end

  test "a crash is told without the arguments of its calls" do
    secret = "s3cret"

    {exception, trace} =
      try do
        apply(String, :no_such_function, [secret])
      rescue
        exception -> {exception, __STACKTRACE__}
      end

    assert inspect(trace) =~ secret
    text = Crash.format(exception, trace)
    assert text =~ "no_such_function/1"
    refute text =~ secret
  end
end
