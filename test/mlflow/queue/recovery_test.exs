defmodule MLflow.Queue.RecoveryTest do
  # Beside the queue's other tests, because these wait for leases and grace periods to end.
  use MLflow.Case, async: true

  alias MLflow.SyncWorker

  @moduletag :slow
  @run_id "0123456789abcdef0123456789abcdef"

  setup do
    test = self()
    server = start_server(fn _ -> {:hold, test} end)
    database = tmp_path("q.db")
    # Longer than any wait here, so that no request ends by itself.
    patience = [request_timeout: 60_000, total_timeout: 60_000]
    options = [database: database, tracking_uri: ScriptedServer.uri(server)] ++ patience
    name = start_instance(options)
    %{options: options, name: name}
  end

  defp release(connection) do
    run = %{"info" => %{"run_id" => @run_id, "experiment_id" => "1"}}
    send(connection, {:answer, {200, %{"run" => run}}})
  end

  test "what does not finish in time goes back, its attempt not counted, and runs again",
       context do
    %{options: options, name: name} = context
    {:ok, job} = SyncWorker.sync_mlflow_to_trial(@run_id, max_attempts: 1, name: name)
    assert_receive {:held, connection, _}
    stop_instance(name)
    assert_receive {:hung_up, ^connection}

    start_instance([name: name] ++ options)
    assert_receive {:held, connection, _}
    release(connection)
    assert {:ok, done} = SyncWorker.await(job, name: name)
    assert {done.state, done.attempt, done.errors} == {:completed, 1, []}
  end

  test "a job whose queue was killed runs again", %{name: name} do
    {:ok, job} = SyncWorker.sync_mlflow_to_trial(@run_id, name: name)
    assert_receive {:held, _lost, _}
    via = {:via, Registry, {MLflow.Registry, {MLflow.Queue.Embedded, name}}}
    pid = GenServer.whereis(via)
    Process.exit(pid, :kill)
    eventually(fn -> GenServer.whereis(via) not in [nil, pid] end)

    # The lease tells that nobody has the job any more.
    assert_receive {:held, connection, _}, 40_000
    release(connection)
    assert {:ok, done} = SyncWorker.await(job, name: name)
    assert done.state == :completed
    assert [%{"kind" => "worker_died"}] = done.errors
  end
end
