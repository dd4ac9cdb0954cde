defmodule MLflow.Server.TrialsTest do
  use MLflow.Case, async: true

  alias MLflow.{Client, RawClient, Runs, Server, SyncWorker, Trials}

  @unfinished [:available, :scheduled, :executing, :retryable]

  # A server of its own, and an instance whose runs are there.
  defp start(trials, opts \\ []) do
    server = unique_name()
    instance = unique_name()
    folder = Path.dirname(tmp_path("x"))

    start_supervised!(
      {Server,
       [
         name: server,
         port: 0,
         database: Path.join(folder, "server.db"),
         artifacts: Path.join(folder, "artifacts"),
         trials: Keyword.merge([instance: instance, quiet: 20, longest: 200], trials)
       ]},
      id: server
    )

    {:ok, uri} = Server.uri(server)
    start_instance([name: instance, tracking_uri: uri] ++ opts)
    %{uri: uri, server: server, name: instance}
  end

  defp log(uri, id, metrics, params \\ [], tags \\ []) do
    now = MLflow.Metric.now()

    {200, _} =
      RawClient.post(uri, "runs/log-batch", %{
        run_id: id,
        metrics:
          for(
            {key, value, step} <- metrics,
            do: %{key: key, value: value, step: step, timestamp: now + step}
          ),
        params: for({key, value} <- params, do: %{key: key, value: value}),
        tags: for({key, value} <- tags, do: %{key: key, value: value})
      })
  end

  defp finish(uri, id, status \\ "FINISHED") do
    {200, _} = RawClient.post(uri, "runs/update", %{run_id: id, status: status, end_time: 2_000})
  end

  defp trial(id, name) do
    case Trials.get(id, name: name) do
      {:ok, trial} -> trial
      {:error, %{kind: :not_found}} -> nil
    end
  end

  # Until nothing waits to be told, looked at or run, and that has stayed so for a while. Answers
  # the jobs there were.
  defp rest(server, name) do
    still = :counters.new(1, [])

    eventually(fn ->
      if idle?(server, name), do: :counters.add(still, 1, 1), else: :counters.put(still, 1, 0)
      :counters.get(still, 1) == 15
    end)

    {:ok, jobs} = SyncWorker.jobs(name: name, limit: 1_000)
    jobs
  end

  defp idle?(server, name) do
    [listener, trials] = for id <- [Server.Listener, Server.Trials], do: child(server, id)
    {:ok, jobs} = SyncWorker.jobs(name: name, state: @unfinished)

    jobs == [] and :sys.get_state(listener).asked != nil and
      match?(%{pending: none, looking: nil} when none == %{}, :sys.get_state(trials))
  end

  defp child(server, id) do
    [{supervisor, _}] = Registry.lookup(MLflow.Registry, {:server_supervisor, server})
    {_, pid, _, _} = supervisor |> Supervisor.which_children() |> List.keyfind(id, 0)
    pid
  end

  describe "with create: true" do
    test "a run that a client logs is a trial at once, whole" do
      %{uri: uri, name: name} = start(create: true)

      id =
        RawClient.log_run(uri, "0", %{run_name: "by hand", tags: [%{key: "author", value: "ada"}]})

      assert %{trial_id: ^id, name: "by hand", status: :running} =
               eventually(fn -> trial(id, name) end)

      log(uri, id, [{"loss", 0.7, 1}, {"loss", 0.5, 2}], [{"lr", "0.1"}])
      finish(uri, id)

      trial =
        eventually(fn ->
          (t = trial(id, name)) && t.status == :succeeded && t.metrics["loss"] == 0.5 && t
        end)

      assert trial.parameters == %{"lr" => "0.1"}
      assert trial.tags["author"] == "ada"
      assert trial.mlflow_run_id == id
      assert trial.mlflow_experiment_id == "0"
      assert DateTime.to_unix(trial.completed_at, :millisecond) == 2_000

      assert {:ok, points} = Trials.history(id, :loss, name: name)
      assert for(point <- points, do: {point.step, point.value}) == [{1, 0.7}, {2, 0.5}]

      # Linked from there, too, for whoever has only the server.
      assert {:ok, %{tags: %{"thunderline_trial_id" => ^id}}} = Client.get_run(id, name: name)
      assert {:ok, %{model_trial_id: linked}} = Runs.get(id, name: name)
      assert linked == trial.id
    end

    test "one that was finished before it was seen is a finished trial" do
      %{uri: uri, server: server, name: name} = start(create: true)
      id = RawClient.log_run(uri, "0")
      finish(uri, id, "FAILED")
      assert eventually(fn -> (t = trial(id, name)) && t.status == :failed && t end)
      rest(server, name)
      assert {:ok, %{status: :failed}} = Client.get_run(id, name: name)
    end

    test "it comes to rest, and a job is not queued for each step" do
      %{uri: uri, server: server, name: name} = start(create: true, quiet: 100, longest: 60_000)
      id = RawClient.log_run(uri, "0")
      for step <- 1..200, do: log(uri, id, [{"loss", 1 / step, step}])
      finish(uri, id)
      eventually(fn -> (t = trial(id, name)) && t.status == :succeeded end)

      # However slow the machine is, and so however long the loop takes.
      assert length(rest(server, name)) < 100
      assert {:ok, points} = Trials.history(id, "loss", name: name)
      assert length(points) == 200
    end

    test "a trial of the instance's own gets no second one" do
      %{server: server, name: name} = start(create: true)

      {:ok, trial} =
        Trials.create(%{trial_id: "t1", status: :succeeded, metrics: %{loss: 0.1}}, name: name)

      {:ok, job} = SyncWorker.sync_trial_to_mlflow("t1", name: name)
      assert {:ok, %{state: :completed}} = SyncWorker.await(job, name: name)

      rest(server, name)
      assert {:ok, [%{id: only}]} = Trials.list(name: name)
      assert only == trial.id
    end

    test "a tag without a value names no trial" do
      %{uri: uri, name: name} = start(create: true)
      id = RawClient.log_run(uri, "0", %{tags: [%{key: "thunderline_trial_id", value: ""}]})
      assert %{mlflow_run_id: ^id} = eventually(fn -> trial(id, name) end)
    end

    test "a run that was deleted gets none" do
      %{uri: uri, server: server, name: name} = start(create: false)
      id = RawClient.log_run(uri, "0")
      {200, _} = RawClient.post(uri, "runs/delete", %{run_id: id})
      :ok = MLflow.Server.Linking.bring(server, [id], %{instance: name, create: true})
      assert trial(id, name) == nil
    end

    test "what happened before the start is seen, too" do
      %{uri: uri, server: server, name: name} = start(create: false)
      ids = for _ <- 1..3, do: RawClient.log_run(uri, "0")
      :ok = MLflow.Server.Linking.bring(server, :everything, %{instance: name, create: true})
      for id <- ids, do: assert(eventually(fn -> trial(id, name) end))
    end
  end

  describe "with create: false" do
    test "a run that is no trial's stays that, and costs no job" do
      %{uri: uri, server: server, name: name} = start([])
      :ok = Server.subscribe(server)
      id = RawClient.log_run(uri, "0")
      log(uri, id, [{"loss", 0.7, 1}])
      assert rest(server, name) == []
      assert trial(id, name) == nil
    end

    test "what a client changes of a trial's run comes into the trial" do
      %{uri: uri, server: server, name: name} = start([])

      {:ok, _} =
        Trials.create(%{trial_id: "t1", status: :running, parameters: %{lr: 0.1}}, name: name)

      {:ok, job} = SyncWorker.sync_trial_to_mlflow("t1", name: name)
      {:ok, job} = SyncWorker.await(job, name: name)
      id = job.result["mlflow_run_id"]

      log(uri, id, [{"loss", 0.3, 1}], [], [{"reviewed", "yes"}])

      assert eventually(fn ->
               t = trial("t1", name)
               t.tags["reviewed"] == "yes" and t.metrics["loss"] == 0.3
             end)

      rest(server, name)
    end

    test "a run that carries the tag of a trial without a run becomes that trial's" do
      %{uri: uri, server: server, name: name} = start([])
      {:ok, _} = Trials.create(%{trial_id: "t1", status: :running}, name: name)
      id = RawClient.log_run(uri, "0", %{tags: [%{key: "thunderline_trial_id", value: "t1"}]})
      assert eventually(fn -> trial("t1", name).mlflow_run_id == id end)
      rest(server, name)
    end

    test "what the instance pushed itself is in step, and pulls nothing" do
      %{server: server, name: name} = start([])

      {:ok, _} =
        Trials.create(%{trial_id: "t1", status: :succeeded, metrics: %{loss: 0.1}}, name: name)

      {:ok, job} = SyncWorker.sync_trial_to_mlflow("t1", name: name)
      {:ok, %{result: %{"mlflow_run_id" => id}}} = SyncWorker.await(job, name: name)

      # One that looks in the midst of the push queues a job, which finds nothing to do.
      jobs = rest(server, name)

      for %{action: "sync_mlflow_to_trial"} = job <- jobs,
          do: assert(%{"pulled" => 0} = job.result)

      :ok = MLflow.Server.Linking.bring(server, [id], %{instance: name, create: false})
      assert length(rest(server, name)) == length(jobs)
    end
  end

  test "sharing the instance's store, trials and runs are in one file" do
    port = free_port()
    name = start_instance(tracking_uri: "http://127.0.0.1:#{port}")
    server = unique_name()

    start_supervised!(
      {Server,
       name: server,
       port: port,
       instance: name,
       artifacts: tmp_path("artifacts"),
       trials: [instance: name, create: true, quiet: 20]},
      id: server
    )

    {:ok, uri} = Server.uri(server)
    id = RawClient.log_run(uri, "0")
    log(uri, id, [{"loss", 0.7, 1}])
    assert eventually(fn -> (t = trial(id, name)) && t.metrics["loss"] == 0.7 end)
    rest(server, name)
  end

  test "an instance that looks elsewhere is told of" do
    %{server: server} = start([])
    other = start_instance()
    settings = %{instance: other, create: true}
    error = assert_error(:config, MLflow.Server.Linking.bring(server, :everything, settings))
    assert error.message =~ "its tracking_uri leads to http://127.0.0.1:1"
  end
end
