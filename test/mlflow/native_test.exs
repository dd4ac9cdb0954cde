defmodule MLflow.NativeTest do
  use MLflow.Case, async: true

  alias MLflow.{Native, TestJSON}

  @run_id "0123456789abcdef0123456789abcdef"
  @options %{bearer: nil, total_timeout: nil}

  setup do
    server = start_server(fn _ -> {:hold, self()} end)
    name = start_instance(tracking_uri: ScriptedServer.uri(server))
    instance = instance!(name)
    %{server: server, engine: instance.engine, store: instance.store, instance: instance}
  end

  # A term that does not decode raises; which exception is the NIF's affair, so long as it is no
  # panic: the functions that users call check before.
  defp assert_refused(fun) do
    fun.()
  rescue
    ArgumentError -> :ok
    error in ErlangError -> refute error.original == :nif_panicked
  else
    answer -> flunk("expected a raise, got #{inspect(answer)}")
  end

  describe "terms of the wrong shape raise, and the VM lives:" do
    test "requests", %{engine: engine, server: server} do
      for request <- [
            nil,
            :no_such_request,
            {:no_such_request},
            {:get_run},
            {:get_run, nil},
            {:get_run, 1},
            {:get_run, <<255, 254>>},
            {:get_run, "a", "b"},
            {:log_metric, @run_id, {"a", "not a number", 0, 0}},
            {:log_metric, @run_id, {"a", 1.0, 0.5, 0}},
            {:log_metric, @run_id, {"a", 1.0, Integer.pow(2, 64), 0}},
            {:log_batch, @run_id, %{}},
            {:log_batch, @run_id, %{metrics: [{"a"}], params: [], tags: []}},
            {:log_batch, @run_id, %{metrics: [], params: [{"a", 1}], tags: []}},
            {:search_runs, "1", %{}},
            {:sync, %{}},
            [1 | 2],
            self(),
            make_ref()
          ] do
        assert_refused(fn -> Native.call(engine, @options, request) end)
      end

      assert ScriptedServer.requests(server) == []
    end

    test "options, engines and stores", %{engine: engine, store: store} do
      for {engine, options, request} <- [
            {engine, %{}, :health},
            {engine, %{@options | bearer: 1}, :health},
            {engine, %{@options | total_timeout: -1}, :health},
            {store, @options, :health},
            {make_ref(), @options, :health},
            {nil, @options, :health}
          ] do
        assert_refused(fn -> Native.call(engine, options, request) end)
      end

      assert_refused(fn -> Native.store(engine, {:get_job, 1}) end)
      assert_refused(fn -> Native.engine_new(%{}) end)
      assert_refused(fn -> Native.store_open(:memory) end)
      assert_refused(fn -> Native.store_close(engine) end)
    end

    test "operations of the store", %{store: store} do
      for request <- [
            nil,
            :get_job,
            {:get_job, "1"},
            {:get_job, Integer.pow(2, 70)},
            {:fetch_jobs, "a", "b", -1, 1},
            {:create_trial, %{a: self()}, []},
            {:create_trial, %{a: {1, 2}}, []},
            {:append_points, "t", [{"a", :huge, nil, nil}]},
            {:list, "model_trials", %{}},
            {:insert_jobs, [%{}]}
          ] do
        assert_refused(fn -> Native.store(store, request) end)
      end

      assert {:ok, nil} = Native.store(store, {:get_job, 1})
    end
  end

  describe "well-shaped nonsense is an error of ours:" do
    test "tables, columns and rows", %{store: store} do
      assert_error(:invalid, Native.store(store, {:insert, "users", %{}}))
      assert_error(:invalid, Native.store(store, {:insert, "model_trials", 1}))
      assert_error(:invalid, Native.store(store, {:get, "model_trials", "nmae", "x"}))
      sql = "id; DROP TABLE model_trials"
      assert_error(:invalid, Native.store(store, {:get, "model_trials", sql, "x"}))
      assert_error(:invalid, Native.store(store, {:upsert, "model_runs", "rowid", %{}}))

      assert_error(
        :not_found,
        Native.store(store, {:append_points, "nobody", [{"a", 1.0, 1, 1}]})
      )

      assert {:ok, []} = Native.store(store, {:due_trials, 10})
    end
  end

  test "a caller killed in the middle of a call leaves nothing behind", context do
    %{instance: instance} = context
    server = start_server({:hold, self()} |> List.duplicate(1))

    options = %{
      MLflow.Config.engine_options(instance.config)
      | tracking_uri: ScriptedServer.uri(server)
    }

    {:ok, other} = Native.engine_new(options)

    {caller, monitor} = spawn_monitor(fn -> Native.call(other, @options, {:get_run, @run_id}) end)
    assert_receive {:held, connection, %{operation: "runs/get"}}
    Process.exit(caller, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^caller, :killed}

    # The request was given up, not left to its timeout.
    assert_receive {:hung_up, ^connection}, 2_000
    refute_received _
  end

  test "many callers at once each get their own answer", %{instance: instance} do
    server =
      start_server(fn request ->
        {200, %{"experiment" => %{"experiment_id" => request.query["experiment_id"]}}}
      end)

    options = %{
      MLflow.Config.engine_options(instance.config)
      | tracking_uri: ScriptedServer.uri(server)
    }

    {:ok, engine} = Native.engine_new(options)

    answers =
      1..200
      |> Task.async_stream(
        fn n ->
          {:ok, experiment} = Native.call(engine, @options, {:get_experiment, "#{n}"})
          experiment.experiment_id
        end,
        max_concurrency: 50
      )
      |> Enum.map(fn {:ok, id} -> id end)

    assert answers == Enum.map(1..200, &"#{&1}")
  end

  describe "a closed store" do
    test "answers every call, and closing twice is harmless" do
      {:ok, store} = Native.store_open(tmp_path("closed.db"))
      assert {:ok, nil} = Native.store(store, {:get_job, 1})
      assert Native.store_close(store) == :ok
      assert Native.store_close(store) == :ok

      error = assert_error(:store, Native.store(store, {:get_job, 1}))
      assert error.message =~ "closed"
    end

    test "has finished the writes it had accepted" do
      path = tmp_path("writes.db")
      {:ok, store} = Native.store_open(path)

      for n <- 1..500 do
        :ok = Native.store_start(store, make_ref(), {:create_trial, %{trial_id: "t#{n}"}, []})
      end

      :ok = Native.store_close(store)
      {:ok, again} = Native.store_open(path)
      filter = %{equals: %{}, newest_first: false, limit: nil, offset: 0}
      assert {:ok, rows} = Native.store(again, {:list, "model_trials", filter})
      assert length(rows) == 500
      Native.store_close(again)
    end
  end

  describe "json_encode/1" do
    test "writes any JSON that a reader reads back" do
      term = %{
        "text" => "\"quoted\" \\ \n ünïcode 🙂",
        atom: :adam,
        numbers: [0, -1, 1.5, 1.0e300, 18_446_744_073_709_551_615],
        flags: [true, false, nil],
        nested: %{1 => [%{}]}
      }

      assert TestJSON.decode!(Native.json_encode(term)) == %{
               "text" => "\"quoted\" \\ \n ünïcode 🙂",
               "atom" => "adam",
               "numbers" => [0, -1, 1.5, 1.0e300, 18_446_744_073_709_551_615],
               "flags" => [true, false, nil],
               "nested" => %{"1" => [%{}]}
             }
    end

    test "raises on what JSON does not have" do
      for term <- [{1, 2}, self(), <<255>>, %{{1} => 1}, Integer.pow(2, 70)] do
        assert_refused(fn -> Native.json_encode(term) end)
      end
    end

    test "raises on improper lists" do
      for term <- [[1 | 2], %{a: [[] | :b]}] do
        assert_refused(fn -> Native.json_encode(term) end)
      end
    end
  end

  test "owners are all different" do
    owners = for _ <- 1..100, do: Native.owner()
    assert Enum.uniq(owners) == owners
    assert Enum.all?(owners, &String.starts_with?(&1, System.pid() <> "/"))
  end
end
