defmodule MLflow.NativeSyncTest do
  # Orders as they go down to the engine, and what comes up: the terms, not what is decided.
  use MLflow.Case, async: true

  alias MLflow.{Error, Native, Policy}

  @run_id "0123456789abcdef0123456789abcdef"
  @options %{bearer: nil, total_timeout: nil}

  defp call(script, request) do
    name = start_instance(tracking_uri: ScriptedServer.uri(start_server(script)))
    Native.call(instance!(name).engine, @options, request)
  end

  defp order(overrides) do
    trial = %{
      id: "t1",
      name: "first",
      status: :running,
      start_time: nil,
      end_time: nil,
      artifact_uri: nil,
      version: 5,
      params: %{"lr" => "0.1"},
      tags: %{"trial_id" => "t1"},
      points: []
    }

    Map.merge(
      %{
        direction: :both,
        trial: Map.merge(trial, overrides[:trial] || %{}),
        base: nil,
        policy: Policy.complete(overrides[:policy] || []),
        param_tag_prefix: "our_param.",
        history: :none,
        partial: false,
        tag: {"trial_id", "t1"},
        target: {:existing, @run_id}
      },
      Map.drop(overrides, [:trial, :policy])
    )
  end

  defp run(overrides) do
    info = %{
      "run_id" => @run_id,
      "experiment_id" => "1",
      "run_name" => "first",
      "status" => "RUNNING",
      "start_time" => 1_000,
      "artifact_uri" => "s3://there"
    }

    data = %{
      "params" => [%{"key" => "lr", "value" => overrides[:lr] || "0.1"}],
      "tags" => [%{"key" => "trial_id", "value" => "t1"}],
      "metrics" => [point(9, "NaN")]
    }

    %{"run" => %{"info" => info, "data" => data}}
  end

  defp point(step, value),
    do: %{"key" => "loss", "value" => value, "timestamp" => 1_000 + step, "step" => step}

  defp script(overrides \\ %{}) do
    fn
      %{operation: "runs/get"} ->
        {200, run(overrides)}

      %{operation: "metrics/get-history"} ->
        {200, %{"metrics" => [point(8, 0.5), point(9, "NaN")]}}

      %{operation: "runs/log-batch"} ->
        {200, %{}}

      %{operation: "runs/delete-tag"} ->
        {200, %{}}
    end
  end

  test "a pull brings the series, the value that counts, and what a run was created with" do
    assert {:ok, report} = call(script(), {:sync, order(%{history: :changed})})
    assert report.error == nil
    assert report.superseded == nil
    assert report.pull.points == [{"loss", 0.5, 8, 1_008}, {"loss", :nan, 9, 1_009}]
    assert report.pull.metric_values == %{"loss" => :nan}
    assert report.pull.start_time == 1_000
    assert report.pull.artifact_uri == "s3://there"
    assert report.agreed.metrics == %{"loss" => :nan}
    assert report.reads == 2

    again = order(%{base: report.base, history: :changed})
    assert {:ok, report} = call(script(), {:sync, again})
    assert report.pull.points == []
    assert report.pull.start_time == nil
  end

  test "a changed param parts the trial from its run" do
    order = order(%{policy: [params: :new_run]})
    assert {:ok, report} = call(script(%{lr: "0.2"}), {:sync, order})
    assert %{superseded: @run_id, run_id: nil, error: nil} = report
    assert [%{field: "param", key: "lr", winner: :local}] = report.conflicts
  end

  test "every policy there is goes down" do
    for side <- [:local, :remote, :newest], params <- [:keep_remote, :tag, :new_run] do
      kinds = ~w(status times name metrics tags artifact_uri)a
      policy = [{:params, params} | Enum.map(kinds, &{&1, side})]
      assert {:ok, %{conflicts: []}} = call(script(), {:plan, order(%{policy: policy})})
    end
  end

  test "a plan tells every change, and writes nothing" do
    order = order(%{trial: %{tags: %{"trial_id" => "t1", "team" => "a"}}, history: :all})
    assert {:ok, plan} = call(script(), {:plan, order})
    assert %{creates: false, run_id: @run_id, conflicts: [], reads: 2} = plan

    assert %{side: :push, field: "tag", key: "team", from: nil, to: "a"} in plan.changes

    assert %{
             side: :pull,
             field: "metric",
             key: "loss",
             from: nil,
             to: "2 points, latest NaN at step 9"
           } in plan.changes

    assert {:error, %Error{kind: :not_found}} =
             call(
               fn _ -> ScriptedServer.error(404, "RESOURCE_DOES_NOT_EXIST") end,
               {:plan, order}
             )
  end

  test "histories of several metrics come as points" do
    assert {:ok, points} = call(script(), {:history, @run_id, ["loss", "val_loss"]})
    assert length(points) == 4
    assert {"loss", :nan, 9, 1_009} in points
    assert {:ok, []} = call(script(), {:history, @run_id, []})
    assert {:error, %Error{kind: :invalid}} = call(script(), {:history, "x", ["loss"]})
  end
end
