defmodule Prove.LoggedCheckTest do
  # A judge that cannot say no proves nothing.
  use ExUnit.Case, async: true

  alias Prove.{Check, Logged, LoggedCheck, Loggers}

  @size %{steady: 2, returning: 1, trials: 1, nameless: 1, brief: 1}
  @calls 45
  @times %{1 => {1_000, 2_000}, 2 => {3_000, 4_000}, 3 => {5_000, 6_000}}

  # Two lives that are killed and one that is not, in which everybody came to call number @calls or
  # to its end.
  defp lives(change \\ & &1) do
    for number <- 1..3 do
      members =
        if number == 3,
          do: Loggers.last_cast(number, @size, "run"),
          else: Loggers.cast(number, @size, "run")

      answered =
        Map.new(members, &{&1.label, if(&1.calls <= @calls, do: &1.calls + 1, else: @calls)})

      change.(%{
        number: number,
        members: members,
        answered: answered,
        killed: number < 3,
        time: @times[number]
      })
    end
  end

  defp answered(lives, number, label, n) do
    for life <- lives,
        do: if(life.number == number, do: put_in(life.answered[label], n), else: life)
  end

  # What MLflow has when all is well and nothing that was cut off has arrived.
  defp runs(lives \\ lives()) do
    for expected <- Logged.expected(lives) do
      status = hd(expected.statuses)
      {_from, to} = expected.time

      %{
        run_id: "run-of-#{expected.label}",
        trial_id: expected.label,
        status: status,
        start_time: 1,
        end_time: if(status != "RUNNING", do: to),
        params: expected.params,
        tags: Map.new(expected.tags, fn {key, [value | _]} -> {key, value} end),
        points: Enum.map(expected.points, &stored/1)
      }
    end
  end

  defp stored({key, value, step, :now}),
    do: {key, value, step, elem(@times[Loggers.life(step)], 0)}

  defp stored(point), do: point

  defp change(runs, label, fun),
    do: Enum.map(runs, fn run -> if run.trial_id == label, do: fun.(run), else: run end)

  defp check(runs, lives \\ lives()),
    do: LoggedCheck.compare(Logged.expected(lives), runs, @times)

  defp cut_off(label) do
    expected = Enum.find(Logged.expected(lives()), &(&1.label == label))
    Enum.map(expected.maybe_points, &stored/1)
  end

  test "holds when all that was answered is there" do
    check = check(runs())
    assert %{lost: 0, duplicated: 0, problems: []} = check
    assert check.runs == length(runs())
    assert check.points > 1_000
  end

  test "holds when what was cut off is there once, and not when it is there twice" do
    # Call 46 of each life that was killed.
    assert [_, _] = points = cut_off("steady1")

    add = fn points ->
      change(runs(), "steady1", &Map.update!(&1, :points, fn p -> points ++ p end))
    end

    assert Check.holds?(check(add.(points)))
    assert Check.holds?(check(add.(tl(points))))
    assert %{duplicated: 2, lost: 0} = check(add.(points ++ points))
  end

  test "notices a point that was answered and is not there" do
    for label <- [
          "steady1",
          "returning1",
          "trial1",
          "existing",
          "life1-nameless1",
          "life3-brief6"
        ] do
      check =
        runs() |> change(label, &Map.update!(&1, :points, fn [_ | rest] -> rest end)) |> check()

      assert %{lost: 1, duplicated: 0, problems: [problem]} = check
      assert problem =~ "#{label} lacks the point"
    end
  end

  test "notices a point that is there twice, or with another step, time or value" do
    for {again, lost} <- [
          {fn point -> [point, point] end, 0},
          {fn {k, v, s, t} -> [{k, v, s, t}, {k, v, s, t + 1}] end, 0},
          {fn {k, v, s, t} -> [{k, v, s, t + 1}] end, 1},
          {fn {k, v, s, t} -> [{k, v, s + 1, t}] end, 1},
          {fn {k, v, s, t} -> [{k, v + 1, s, t}] end, 1}
        ] do
      twice = fn points ->
        {point, rest} = List.pop_at(points, Enum.find_index(points, &(elem(&1, 0) == "loss")))
        again.(point) ++ rest
      end

      assert %{lost: ^lost, duplicated: 1} =
               runs() |> change("trial1", &Map.update!(&1, :points, twice)) |> check()
    end
  end

  test "notices a point of the call's time whose time is not that of its life" do
    later = fn
      {"clock", value, step, _} -> {"clock", value, step, 2_500}
      point -> point
    end

    check =
      runs()
      |> change("life1-nameless1", &Map.update!(&1, :points, fn p -> Enum.map(p, later) end))
      |> check()

    assert %{lost: 3, duplicated: 3} = check
  end

  test "notices a run that is missing, doubled or nobody's" do
    [first | rest] = runs()
    assert %{lost: 1, problems: [problem]} = check(rest)
    assert problem =~ "has no run"

    assert %{duplicated: 1, problems: [problem]} =
             check([%{first | run_id: "twin"}, first | rest])

    assert problem =~ "has 2 runs"

    stranger = %{first | trial_id: nil, tags: %{}}
    assert %{duplicated: 1, problems: [problem]} = check([stranger, first | rest])
    assert problem =~ "is of no logger"
  end

  test "asks for no run of a logger that was answered nothing" do
    lives = for n <- [nil, 0], do: answered(lives(), 1, "life1-nameless1", n)

    for lives <- lives do
      runs = Enum.reject(runs(lives), &(&1.trial_id == "life1-nameless1"))
      assert Check.holds?(check(runs, lives))
    end
  end

  test "notices wrong params, tags, statuses and ends" do
    wrong = [
      {"steady1", &%{&1 | params: Map.delete(&1.params, "p1.5")}},
      {"steady1", &%{&1 | params: %{&1.params | "p1.5" => "other"}}},
      {"trial1", &%{&1 | params: Map.put(&1.params, "foreign", "1")}},
      {"steady1", &%{&1 | tags: %{&1.tags | "at" => "1.20"}}},
      {"existing", &%{&1 | tags: Map.delete(&1.tags, "at")}},
      {"steady1", &%{&1 | status: "FAILED", end_time: 1_500}},
      {"steady2", &%{&1 | status: "RUNNING"}},
      {"life1-nameless1", &%{&1 | status: "RUNNING"}},
      {"life1-nameless1", &%{&1 | end_time: nil}},
      {"life1-nameless1", &%{&1 | end_time: 2_500}},
      {"trial1", &%{&1 | status: "FINISHED", end_time: 5_500}}
    ]

    for {label, fun} <- wrong do
      assert %{problems: [problem]} = runs() |> change(label, fun) |> check()
      assert problem =~ label
    end
  end

  describe "a status" do
    defp statuses(lives, label),
      do: Enum.find(Logged.expected(lives), &(&1.label == label)).statuses

    test "is that of the end that was answered" do
      for {n, status} <- [
            {1, "FAILED"},
            {2, "FINISHED"},
            {3, "KILLED"},
            {4, "KILLED"},
            {5, "FAILED"}
          ] do
        assert statuses(lives(), "life3-brief#{n}") == [status]
      end

      assert statuses(lives(), "returning1") == ["FAILED"]
    end

    test "is that of a logger that died, where the end was not answered" do
      lives = lives(fn life -> %{life | killed: true} end)

      assert statuses(answered(lives, 3, "life3-brief3", 20), "life3-brief3") == [
               "FAILED",
               "KILLED"
             ]

      assert statuses(answered(lives, 3, "life3-brief3", 19), "life3-brief3") == ["FAILED"]
      assert statuses(answered(lives, 3, "life3-brief3", 21), "life3-brief3") == ["KILLED"]
    end

    test "is open again where a logger came back" do
      assert statuses(Enum.take(lives(), 2), "returning1") == ["FINISHED"]
      assert statuses(answered(lives(), 3, "returning1", 1), "returning1") == ["RUNNING"]

      # That it came back is known to nobody as long as it has logged nothing.
      for n <- [nil, 0] do
        statuses = statuses(answered(lives(), 3, "returning1", n), "returning1")
        assert statuses == ["RUNNING", "FINISHED"]
      end
    end
  end
end
