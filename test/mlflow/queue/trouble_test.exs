defmodule MLflow.Queue.TroubleTest do
  # The queue while its store is locked by another process for longer than it waits.
  use MLflow.Case, async: true

  import ExUnit.CaptureLog

  alias MLflow.{FileLock, SyncWorker, Trials}

  @moduletag :slow
  @moduletag skip: unless(FileLock.available?(), do: "needs python3 to lock a database")

  @run_id "0123456789abcdef0123456789abcdef"
  @refusal ScriptedServer.error(404, "RESOURCE_DOES_NOT_EXIST", "gone")

  setup do
    test = self()
    server = start_server(fn _ -> {:hold, test} end)
    database = tmp_path("q.db")
    # Longer than any wait here, so that no request ends by itself.
    patience = [request_timeout: 120_000, total_timeout: 120_000]
    options = [database: database, tracking_uri: ScriptedServer.uri(server)] ++ patience
    %{server: server, database: database, name: start_instance(options)}
  end

  defp queue(name) do
    {:via, Registry, {MLflow.Registry, {MLflow.Queue.Embedded, name}}} |> GenServer.whereis()
  end

  defp unwritten(name), do: :sys.get_state(queue(name), 60_000).unwritten

  defp job!(id, name) do
    {:ok, jobs} = SyncWorker.jobs(name: name)
    Enum.find(jobs, &(&1.id == id))
  end

  test "a job's end that cannot be written is written later, and the job not run again",
       %{name: name, server: server, database: database} do
    {:ok, job} = SyncWorker.sync_mlflow_to_trial(@run_id, name: name)
    assert_receive {:held, connection, _}
    lock = FileLock.take(database)

    log =
      capture_log(fn ->
        send(connection, {:answer, @refusal})
        eventually(fn -> unwritten(name) != [] end, 60_000)

        error = assert_error(:store, Trials.create(%{trial_id: "t1"}, name: name))
        assert error.retryable
        assert Exception.message(error) =~ "another process is holding the database"
        assert job!(job.id, name).state == :executing

        FileLock.release(lock)
        assert {:ok, done} = SyncWorker.await(job, name: name)
        assert {done.state, done.attempt} == {:cancelled, 1}
        assert [%{"kind" => "not_found"}] = done.errors
      end)

    assert log =~ "job queue could not use its store"
    assert log =~ "history lacks an attempt"
    assert unwritten(name) == []
    assert length(ScriptedServer.requests(server)) == 1
    assert {:ok, _} = Trials.create(%{trial_id: "t1"}, name: name)
  end

  @tag :capture_log
  test "a job that runs while no lease can be renewed is not run twice",
       %{name: name, server: server, database: database} do
    {:ok, job} = SyncWorker.sync_mlflow_to_trial(@run_id, name: name)
    assert_receive {:held, connection, _}
    lock = FileLock.take(database)

    # The lease runs out while the store is locked.
    eventually(
      fn -> DateTime.diff(DateTime.utc_now(), job!(job.id, name).attempted_at) > 20 end,
      60_000
    )

    FileLock.release(lock)
    # A job that is queued now is fetched, and so the queue has gone its round.
    {:ok, other} = SyncWorker.sync_mlflow_to_trial(String.duplicate("f", 32), name: name)
    assert_receive {:held, second, _}, 30_000
    send(second, {:answer, @refusal})
    assert {:ok, %{state: :cancelled}} = SyncWorker.await(other, name: name)

    send(connection, {:answer, @refusal})
    assert {:ok, done} = SyncWorker.await(job, name: name)
    assert {done.state, done.attempt} == {:cancelled, 1}
    assert [%{"kind" => "not_found"}] = done.errors
    assert length(ScriptedServer.requests(server)) == 2
  end
end
