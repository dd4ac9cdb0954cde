defmodule Prove.DifferentialTest do
  use ExUnit.Case, async: true

  alias Prove.Differential.{Difference, Meant, Normal, Script}

  test "what is different is found" do
    assert [%{part: "status"}, %{part: "body.run.name", expected: "a", got: "b"}] =
             differences(answer(200, %{"run" => %{"name" => "a"}}), %{
               answer(404, %{"run" => %{"name" => "b"}})
               | type: "application/json"
             })
  end

  test "ids are the same by the order in which they appeared, and times by being of now" do
    now = System.os_time(:millisecond)
    one = normal([["a" <> hex(1), "b" <> hex(2)], ["b" <> hex(2)], [now, 1_600_000_000_000]])
    two = normal([["c" <> hex(3), "d" <> hex(4)], ["d" <> hex(4)], [now - 5, 1_600_000_000_000]])
    other = normal([["c" <> hex(3), "d" <> hex(4)], ["c" <> hex(3)], [now, 1_600_000_000_001]])

    assert one == two
    assert [true, false, false] = Enum.zip_with(one, other, &==/2)
  end

  test "what is meant counts for its case and its part alone, and has to show" do
    meant = [%{cases: ["misc: a", "misc: b"], part: "status", reason: "as a test"}]

    found =
      for {name, part} <- [{"misc: a", "status"}, {"misc: a", "body"}], do: found(name, part)

    assert {[%{part: "body"}], [%{part: "status"}], [{"misc: b", "status"}]} =
             Meant.sift(meant, found, ["misc"])

    assert {_, _, []} = Meant.sift(meant, found, ["runs"])
  end

  test "every reason for a difference names cases there are" do
    names = for script <- Script.all(), request <- script.cases, do: request.name

    for %{cases: cases, reason: reason} <- Meant.all() do
      assert cases -- names == []
      assert String.length(reason) > 10
    end
  end

  test "a script's cases have their names, variants and parts" do
    script =
      Script.parse("some", """
      What it is about.

      == first
      POST runs/create
      @ X-Header: a: b
      {"a": 1,
       "b": 2}
      keep run = run.info.run_id

      # not a line
      == found by
      GET runs/search
      ? filter = %s
      - a = "b"
      - c
      """)

    assert [first, one, two] = script.cases
    assert first.name == "some: first"
    assert {first.method, first.target} == {"POST", "runs/create"}
    assert first.headers == [{"X-Header", "a: b"}]
    assert first.body == ~s({"a": 1,\n "b": 2})
    assert first.keep == [{"run", ["run", "info", "run_id"]}]
    assert one.name == ~s(some: found by: a = "b")
    assert one.query == [{"filter", ~S("a = \"b\"")}]
    assert two.query == [{"filter", ~s("c")}]

    assert_raise ArgumentError, ~r/same name/, fn ->
      Script.parse("some", "== a\nGET x\n\n== a\nGET x\n")
    end
  end

  defp differences(expected, got), do: Difference.between(%{}, expected, got)
  defp answer(status, body), do: %{status: status, type: "application/json", body: body}
  defp found(name, part), do: %Difference{case: %{name: name}, part: part}
  defp hex(digit), do: String.duplicate("#{digit}", 31)

  defp normal(bodies) do
    {answers, _} =
      Enum.map_reduce(bodies, Normal.new("unique"), fn body, normal ->
        Normal.answer(normal, answer(200, body))
      end)

    Enum.map(answers, & &1.body)
  end
end
