defmodule Prove.AcknowledgedTest do
  use MLflow.Case, async: true

  alias Prove.Acknowledged

  test "tells the last call of each that was noted whole" do
    path = tmp_path("answers")
    [one, two] = for _ <- 1..2, do: Acknowledged.open!(path)
    for n <- 0..12, do: Acknowledged.write(one, "a", n)
    Acknowledged.write(two, "b", 0)
    Acknowledged.complain(two, "c", {:badmatch, "no\nroom"})
    File.write!(path, "a 13", [:append])

    assert {%{"a" => 12, "b" => 0} = answered, [~S(c: {:badmatch, "no\nroom"})]} =
             Acknowledged.read(path)

    assert map_size(answered) == 2
  end

  test "tells nothing of a file that was never made",
    do: assert(Acknowledged.read(tmp_path("none")) == {%{}, []})
end
