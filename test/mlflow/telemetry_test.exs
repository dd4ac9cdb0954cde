defmodule MLflow.TelemetryTest do
  use MLflow.Case, async: true

  alias MLflow.Telemetry

  test "a span hands on what its function answers, and what it raises" do
    metadata = %{name: __MODULE__, operation: :get_run}
    assert Telemetry.span(:request, metadata, fn -> {:ok, 1} end) == {:ok, 1}
    error = {:error, MLflow.Error.new(:invalid, "x", "y")}
    assert Telemetry.span(:job, %{name: __MODULE__, job: nil}, fn -> error end) == error

    assert_raise RuntimeError, "boom", fn ->
      Telemetry.span(:sync, metadata, fn -> raise "boom" end)
    end
  end

  unless Code.ensure_loaded?(:telemetry) do
    test "without the package a job runs all the same" do
      {server, tracking} = start_tracking()
      id = Tracking.add_run(tracking, "1")
      name = start_instance(tracking_uri: ScriptedServer.uri(server))
      {:ok, job} = MLflow.SyncWorker.sync_mlflow_to_trial(id, name: name)
      assert {:ok, %{state: :completed}} = MLflow.SyncWorker.await(job, name: name)
    end
  end
end
