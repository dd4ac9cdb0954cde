defmodule MLflow.Sync.RecorderTest do
  use MLflow.Case, async: true

  import ExUnit.CaptureLog

  alias MLflow.{Config, Error, Instance}
  alias MLflow.Sync.Recorder

  # A store whose handle is the test that looks at what is recorded.
  defmodule Watched do
    def record_sync(_instance, %{target: "raise"}, _conflicts), do: raise("not even this")

    def record_sync(instance, attempt, conflicts) do
      send(instance.store, {:recorded, attempt, conflicts})
      if attempt.target == "full", do: {:error, Error.new(:store, "store", "no space")}, else: :ok
    end
  end

  setup do
    config = Config.new(name: unique_name(), store: Watched)
    %{instance: %Instance{name: config.name, config: config, engine: nil, store: self()}}
  end

  defp about(target), do: %{action: :sync_experiment, target: target, direction: :both}

  test "an attempt and its conflicts are kept once", %{instance: instance} do
    report = %{
      "experiment_id" => "7",
      "runs" => 2,
      "pushed" => 1,
      "pulled" => 0,
      "requests" => 4,
      "writes" => 3,
      "failed" => [%{"id" => "x"}],
      "conflicts" => [%{"field" => "status"}]
    }

    assert Recorder.record(instance, about("7"), fn -> {:ok, report} end) == {:ok, report}

    assert_received {:recorded, attempt, [%{"field" => "status"}]}
    assert %{result: :ok, mlflow_experiment_id: "7", pushed: 1, requests: 4, writes: 3} = attempt
    assert %{"runs" => 2, "failed" => 1, "conflicts" => 1} = attempt.counts
    assert attempt.duration_ms >= 0
    refute_received {:recorded, _, _}
  end

  test "that it cannot be kept changes nothing but the log", %{instance: instance} do
    log =
      capture_log(fn ->
        for target <- ["full", "raise"],
            do:
              assert(Recorder.record(instance, about(target), fn -> {:ok, %{}} end) == {:ok, %{}})
      end)

    assert log =~ "lacks an attempt of sync_experiment full: store: no space"
    assert log =~ "lacks an attempt of sync_experiment raise: not even this"
  end

  test "a crash is kept, and goes on", %{instance: instance} do
    assert_raise RuntimeError, "a bug", fn ->
      Recorder.record(instance, about("x"), fn -> raise "a bug" end)
    end

    assert_received {:recorded, %{result: :error, error: %Error{kind: :crashed}}, []}
  end
end
