defmodule MLflow.Sync.WholeExperimentTest do
  use MLflow.Case, async: true

  alias MLflow.{Runs, Sync, Trials}

  setup context do
    {server, tracking} = start_tracking(Map.get(context, :overrides, %{}))
    experiment = Tracking.add_experiment(tracking, "trials")

    name =
      start_instance(
        tracking_uri: ScriptedServer.uri(server),
        experiment_id: experiment,
        concurrency: 4
      )

    %{server: server, tracking: tracking, experiment: experiment, name: name}
  end

  defp trials!(name, numbers, attrs \\ %{}) do
    for n <- numbers do
      attrs = Map.merge(%{trial_id: "t#{n}", status: :succeeded, metrics: %{a: n}}, attrs)
      {:ok, trial} = Trials.create(attrs, name: name)
      trial
    end
  end

  test "the first sync pushes every trial, the next costs 2 requests and writes nothing",
       context do
    %{server: server, tracking: tracking, experiment: experiment, name: name} = context
    trials!(name, 1..30)

    assert {:ok, report} = Sync.experiment(experiment, name: name)

    assert %{"synced" => 30, "pushed" => 30, "pulled" => 0, "failed" => [], "conflicts" => []} =
             report

    assert report["requests"] == 2 + 30 * 3
    assert report["requests"] == length(ScriptedServer.requests(server))
    assert length(Tracking.runs(tracking)) == 30

    ScriptedServer.forget(server)
    assert {:ok, report} = Sync.experiment(experiment, name: name)

    assert %{"runs" => 30, "unchanged" => 30, "synced" => 0, "writes" => 0, "requests" => 2} =
             report

    assert ScriptedServer.operations(server) == ["experiments/get", "runs/search"]
  end

  test "a run that another sync was at since its page was read is read again" do
    {:ok, hook} = Agent.start_link(fn -> nil end)

    search = fn request ->
      case Agent.get_and_update(hook, &{&1, nil}) do
        nil -> :pass
        act -> act.(request)
      end
    end

    {server, tracking} = start_tracking(%{"runs/search" => search})
    experiment = Tracking.add_experiment(tracking, "trials")
    name = start_instance(tracking_uri: ScriptedServer.uri(server), experiment_id: experiment)
    trials!(name, [1], %{status: :running})
    {:ok, _} = Sync.experiment(experiment, name: name)

    # The page that comes is of the moment before.
    Agent.update(hook, fn _ ->
      fn request ->
        page = Tracking.act(tracking, request)
        {:ok, _} = Trials.update("t1", %{status: :succeeded, metrics: %{a: 2}}, name: name)
        {:ok, _} = Sync.trial_to_mlflow("t1", name: name)
        page
      end
    end)

    assert {:ok, %{"pulled" => 0, "pushed" => 0}} = Sync.experiment(experiment, name: name)
    assert {:ok, %{status: :succeeded, metrics: %{"a" => 2}}} = Trials.get("t1", name: name)
    assert [%{"status" => "FINISHED"}] = Tracking.runs(tracking)
  end

  test "pages are of a thousand, and one request more for each", context do
    %{server: server, tracking: tracking, experiment: experiment, name: name} = context
    for _ <- 1..2_500, do: Tracking.add_run(tracking, experiment)

    assert {:ok, %{"runs" => 2_500, "pulled" => 2_500, "requests" => 4}} =
             Sync.experiment(experiment, name: name)

    ScriptedServer.forget(server)

    assert {:ok, %{"unchanged" => 2_500, "requests" => 4, "writes" => 0}} =
             Sync.experiment(experiment, name: name)

    assert ScriptedServer.operations(server) ==
             ["experiments/get", "runs/search", "runs/search", "runs/search"]
  end

  test "another experiment than the default costs no more, and creates none", context do
    %{server: server, tracking: tracking} = context
    id = Tracking.add_experiment(tracking, "other")
    Tracking.add_run(tracking, id)

    name =
      start_instance(tracking_uri: ScriptedServer.uri(server), default_experiment: "never used")

    assert {:ok, %{"requests" => 2}} = Sync.experiment(id, name: name)
    assert ScriptedServer.operations(server) == ["experiments/get", "runs/search"]
  end

  test "what changed on either side goes to the other", context do
    %{tracking: tracking, experiment: experiment, name: name} = context
    trials!(name, 1..5, %{tags: %{team: "a"}})
    {:ok, _} = Sync.experiment(experiment, name: name)
    {:ok, %{mlflow_run_id: theirs}} = Trials.get("t1", name: name)
    {:ok, %{mlflow_run_id: ours}} = Trials.get("t2", name: name)

    Tracking.change_run(tracking, theirs, &put_in(&1["tags"]["team"], "b"))
    {:ok, _} = Trials.update("t2", %{tags: %{team: "c"}}, name: name)
    :ok = Trials.log_metrics("t2", %{extra: 1}, name: name)

    assert {:ok, report} = Sync.experiment(experiment, name: name)

    assert %{"synced" => 2, "unchanged" => 3, "pushed" => 1, "pulled" => 1, "requests" => 3} =
             report

    assert {:ok, %{tags: %{"team" => "b"}}} = Trials.get("t1", name: name)
    # What was pulled is no change to push.
    assert MLflow.Store.Embedded.due_trials(instance!(name), 10) == {:ok, []}
    run = Enum.find(Tracking.runs(tracking), &(&1["run_id"] == ours))
    assert run["tags"]["team"] == "c"
    assert Enum.any?(run["points"], &(&1["key"] == "extra"))

    assert {:ok, %{"unchanged" => 5, "writes" => 0}} = Sync.experiment(experiment, name: name)
  end

  test "foreign runs are recorded, and deleted ones known as deleted", context do
    %{tracking: tracking, experiment: experiment, name: name} = context
    id = Tracking.add_run(tracking, experiment, %{"params" => %{"lr" => "0.1"}})
    assert {:ok, %{"pulled" => 1}} = Sync.experiment(experiment, name: name)
    assert {:ok, %{params: %{"lr" => "0.1"}, lifecycle_stage: :active}} = Runs.get(id, name: name)

    Tracking.change_run(tracking, id, &%{&1 | "lifecycle_stage" => "deleted"})
    assert {:ok, %{"pulled" => 1}} = Sync.experiment(experiment, name: name)
    assert {:ok, %{lifecycle_stage: :deleted}} = Runs.get(id, name: name)
    assert {:ok, %{"unchanged" => 1}} = Sync.experiment(experiment, name: name)
  end

  test "trials that name the experiment are pushed, those of others are not", context do
    %{tracking: tracking, name: name} = context
    other = Tracking.add_experiment(tracking, "other")
    trials!(name, [1])
    trials!(name, [2], %{mlflow_experiment_id: other})

    assert {:ok, %{"pushed" => 1}} = Sync.experiment("other", name: name)
    assert [%{"experiment_id" => ^other, "run_name" => "trial_t2"}] = Tracking.runs(tracking)
  end

  test "a run that vanished fails alone, for good, and says what to do", context do
    %{tracking: tracking, experiment: experiment, name: name} = context
    trials!(name, 1..3)
    {:ok, _} = Sync.experiment(experiment, name: name)
    {:ok, %{mlflow_run_id: gone}} = Trials.get("t2", name: name)
    Tracking.forget_run(tracking, gone)
    {:ok, _} = Trials.update("t3", %{tags: %{late: 1}}, name: name)

    assert {:ok, %{"failed" => [failed], "pushed" => 1}} = Sync.experiment(experiment, name: name)
    assert %{"id" => ^gone, "kind" => "not_found", "retryable" => false} = failed
    assert failed["message"] =~ "MLflow.Runs.unlink"
  end

  describe "of many trials, one that the server" do
    @describetag overrides: %{
                   "runs/log-batch" => &__MODULE__.refuse/1,
                   "runs/create" => &__MODULE__.refuse/1
                 }

    def refuse(request) do
      cond do
        request.body =~ "refuse me" -> ScriptedServer.error(400, "INVALID_PARAMETER_VALUE", "no")
        request.body =~ "not now" -> ScriptedServer.error(503, "TEMPORARILY_UNAVAILABLE", "busy")
        true -> :pass
      end
    end

    test "refuses for good fails alone", context do
      %{tracking: tracking, experiment: experiment, name: name} = context
      trials!(name, 1..5)
      [bad] = trials!(name, [6], %{parameters: %{p: "refuse me"}})

      assert {:ok, report} = Sync.experiment(experiment, name: name)
      assert %{"synced" => 5, "failed" => [%{"id" => id, "kind" => "invalid"}]} = report
      assert id == bad.id
      assert Enum.count(Tracking.runs(tracking), &(&1["status"] == "FINISHED")) == 5
      assert {:ok, %{sync_error: %{"kind" => "invalid"}}} = Runs.for_trial(bad.id, name: name)
    end

    test "cannot take now makes the whole job try again, which finds the rest in step", context do
      %{tracking: tracking, experiment: experiment, name: name} = context
      trials!(name, 1..5)
      trials!(name, [6], %{parameters: %{p: "not now"}})

      error = assert_error(:unavailable, Sync.experiment(experiment, name: name))
      assert error.retryable
      assert error.message =~ "1 runs and trials failed"
      assert Enum.count(Tracking.runs(tracking), &(&1["status"] == "FINISHED")) == 5
    end
  end

  test "a page token that repeats is an error, and no run is taken for gone", context do
    %{tracking: tracking, experiment: experiment} = context
    Tracking.add_run(tracking, experiment)

    stuck = fn request ->
      {200, body} = Tracking.act(tracking, request)
      {200, Map.put(body, "next_page_token", "same")}
    end

    paging = fn request ->
      if request.json["page_token"],
        do: stuck.(%{request | json: Map.delete(request.json, "page_token")}),
        else: stuck.(request)
    end

    server = start_server(Tracking.script(tracking, %{"runs/search" => paging}))
    name = start_instance(tracking_uri: ScriptedServer.uri(server), experiment_id: experiment)
    assert_error(:bad_response, Sync.experiment(experiment, name: name))
    assert length(ScriptedServer.requests(server)) < 5
  end

  test "an experiment that does not exist is an error", %{name: name} do
    assert_error(:not_found, Sync.experiment("999", name: name))
    assert_error(:not_found, Sync.experiment("no such name", name: name))
  end

  test "a run that carries the tag of a trial with another run is told of, and left alone",
       context do
    %{tracking: tracking, experiment: experiment, name: name} = context
    trials!(name, 1..2)
    assert {:ok, %{"duplicates" => []}} = Sync.experiment(experiment, name: name)

    tags = %{"tags" => %{"thunderline_trial_id" => "t1"}}
    twin = Tracking.add_run(tracking, experiment, tags)
    stranger = %{"tags" => %{"thunderline_trial_id" => "of somebody else's"}}
    Tracking.add_run(tracking, experiment, stranger)

    for _ <- 1..2 do
      assert {:ok, %{"duplicates" => [^twin], "writes" => 0}} =
               Sync.experiment(experiment, name: name)
    end
  end
end
