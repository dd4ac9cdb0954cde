defmodule Prove.CheckTest do
  # A judge that cannot say no proves nothing.
  use ExUnit.Case, async: true

  alias Prove.{Check, Trials}

  @points 6

  defp expected, do: Enum.map(1..3, &Trials.expected(&1, @points))

  # What MLflow has when all is well.
  defp runs do
    for trial <- expected() do
      trial
      |> Map.put(:run_id, "run-of-#{trial.trial_id}")
      |> Map.put(:tags, Map.put(trial.tags, "mlflow.runName", "trial_#{trial.trial_id}"))
    end
  end

  defp change(runs, trial_id, fun) do
    Enum.map(runs, fn run -> if run.trial_id == trial_id, do: fun.(run), else: run end)
  end

  defp check(runs, excuses \\ %{}), do: Check.compare(expected(), runs, excuses)

  test "holds when everything is there once" do
    check = check(runs())
    assert Check.holds?(check)
    assert %{runs: 3, points: 18, lost: 0, duplicated: 0, excused: 0} = check
  end

  test "notices a missing point" do
    check =
      runs() |> change("t2", &Map.update!(&1, :points, fn [_ | rest] -> rest end)) |> check()

    assert %{lost: 1, duplicated: 0, problems: ["t2 lacks the point" <> _]} = check
  end

  test "notices a point that is there twice, with another timestamp or with its own" do
    for again <- [fn {k, v, s, t} -> {k, v, s, t + 1} end, & &1] do
      twice = &Map.update!(&1, :points, fn [first | _] = points -> [again.(first) | points] end)
      check = runs() |> change("t2", twice) |> check()
      assert %{lost: 0, duplicated: 1, problems: ["t2 has the point" <> _]} = check
    end
  end

  test "notices a value and a step that are not those recorded" do
    for change <- [
          fn {k, v, s, t} -> {k, v + 1.0, s, t} end,
          fn {k, v, s, t} -> {k, v, s + 1, t} end
        ] do
      other = &Map.update!(&1, :points, fn [first | rest] -> [change.(first) | rest] end)
      assert %{lost: 1, duplicated: 1} = runs() |> change("t3", other) |> check()
    end
  end

  test "notices a trial without a run" do
    assert %{lost: 1, problems: ["t1 has no run"]} = check(tl(runs()))
  end

  test "notices a doubled run, even an empty one" do
    twin = %{hd(runs()) | run_id: "twin", points: []}
    assert %{duplicated: 1, problems: ["t1 has 2 runs: " <> _]} = check([twin | runs()])
  end

  test "notices a run of nobody's" do
    stranger = %{hd(runs()) | run_id: "stranger", trial_id: nil}

    assert %{duplicated: 1, problems: ["run stranger is of no trial (nil)"]} =
             check([stranger | runs()])
  end

  test "notices a wrong status, param, time and tag" do
    for {field, value} <- [
          status: "RUNNING",
          end_time: nil,
          start_time: 0,
          params: %{"n" => "1"},
          tags: %{}
        ] do
      check = runs() |> change("t1", &Map.put(&1, field, value)) |> check()
      assert %{lost: 0, duplicated: 0, problems: ["t1: " <> _]} = check
      refute Check.holds?(check)
    end
  end

  describe "a job that says why" do
    @excuse %{"t1" => "invalid: no", "t2" => "timeout: no"}

    test "excuses what is missing" do
      check = runs() |> tl() |> change("t2", &%{&1 | status: "RUNNING"}) |> check(@excuse)
      assert %{excused: 2, lost: 0, problems: []} = check
    end

    test "is none where all is well" do
      assert %{excused: 0, problems: []} = check(runs(), @excuse)
    end

    test "does not excuse what is there twice" do
      twin = %{hd(runs()) | run_id: "twin"}
      assert %{duplicated: 1} = check([twin | runs()], @excuse)

      twice = &Map.update!(&1, :points, fn [first | _] = points -> [first | points] end)
      assert %{duplicated: 1} = runs() |> change("t2", twice) |> check(@excuse)
    end
  end
end
