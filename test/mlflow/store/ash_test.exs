if Code.ensure_loaded?(MLflow.Store.Ash) do
  defmodule MLflow.Store.AshTest do
    use MLflow.Case, async: false

    alias MLflow.AshHost.{Ets, Guarded, Listener, Thunderline}
    alias MLflow.Store.Ash.{Failure, Mutex}

    @moduletag :ash

    @nothing MLflow.Store.nothing_pulled()

    defp start_store(host, opts \\ []),
      do: opts |> Module.concat(host, World).options() |> start_instance() |> instance!()

    defp refused(options) do
      {:error, {error, _child}} =
        start_supervised({MLflow, instance_options(store: {MLflow.Store.Ash, options})})

      find_error(error)
    end

    defp find_error(%MLflow.Error{} = error), do: error
    defp find_error({:shutdown, reason}), do: find_error(reason)
    defp find_error({:failed_to_start_child, _, reason}), do: find_error(reason)

    describe "the options" do
      test "that are missing or mistaken are said with what to do" do
        for {options, message} <- [
              {[], ~r/needs experiment:, a resource with `use MLflow.Ash.Experiment/},
              {Ets.World.store(exeriment: Ets.Run),
               ~r/unknown option :exeriment .* :experiment\?/},
              {Ets.World.store(run: String),
               ~r/run: is a resource .* and String is no Ash resource/},
              {Ets.World.store(run: Ets.Experiment),
               ~r/Experiment has no attribute :mlflow_run_id/},
              {Ets.World.store(trial: Ets.ModelRun),
               ~r/no relationship :mlflow_run: add `use MLflow.Ash.Trial/},
              {Ets.World.store(trial: {Ets.ModelTrial, update: :mlflow_pul}),
               ~r/no action :mlflow_pul.* did you mean :mlflow_pull\?/},
              {Ets.World.store(trial: {Ets.ModelTrial, update: :create}),
               ~r/is a create action, not one to update/},
              {Ets.World.store(trial: {Ets.ModelTrial, updat: :mlflow_pull}),
               ~r/unknown option :updat .*:update\?/},
              {Ets.World.store(authorize?: :maybe), ~r/authorize\?: is true or false/},
              {Guarded.store(actor: %{role: :sync}), ~r/is multitenant: give the store a tenant:/}
            ] do
          error = refused(options)
          assert error.kind == :config
          assert error.message =~ message
        end
      end
    end

    describe "a host whose trials only ever end" do
      setup do
        instance = start_store(Thunderline)
        Thunderline.World.create!(nil, trial_id: "t1", status: :succeeded)
        store = instance.config.store
        {:ok, trial} = store.fetch_trial(instance, "t1")
        %{instance: instance, store: store, trial: trial}
      end

      test "gets no status that it does not have, and all else", context do
        %{instance: instance, store: store, trial: trial} = context
        pull = %{@nothing | status: :running, params: %{"lr" => "0.1"}}
        assert {:ok, {0, _}} = store.update_trial(instance, trial, pull)

        assert %{status: :succeeded, parameters: %{"lr" => "0.1"}} =
                 Thunderline.World.get!(nil, "t1")

        {:ok, trial} = store.fetch_trial(instance, "t1")
        assert {:ok, _} = store.update_trial(instance, trial, %{@nothing | status: :failed})
        assert Thunderline.World.get!(nil, "t1").status == :failed
      end

      test "is due once", %{instance: instance, store: store, trial: trial} do
        Thunderline.World.age!(nil)
        {:ok, trial} = store.fetch_trial(instance, trial.id)
        assert store.due_trials(instance, 5) == {:ok, [trial.id]}

        {:ok, _} =
          store.put_run(instance, %{
            mlflow_run_id: "r1",
            model_trial_id: trial.id,
            synced_at: trial.version
          })

        assert store.due_trials(instance, 5) == {:ok, []}
      end
    end

    describe "what a bridge reports" do
      test "is kept by the host's actions" do
        instance = start_store(Ets)
        store = instance.config.store

        search = %{
          run_id: "search",
          state: :running,
          requested_trials: 3,
          started_at: DateTime.utc_now()
        }

        {:ok, search_id} = store.record_model_run(instance, search)

        {:ok, ^search_id} =
          store.record_model_run(instance, %{run_id: "search", state: :succeeded})

        assert %{state: :succeeded, requested_trials: 3} = Ash.get!(Ets.ModelRun, search_id)

        attrs = %{
          trial_id: "t9",
          status: :running,
          model_run_id: search_id,
          metrics: %{"loss" => 1}
        }

        {:ok, id} = store.record_trial(instance, attrs)
        {:ok, ^id} = store.record_trial(instance, %{attrs | status: :succeeded})
        assert %{status: :succeeded, model_run_id: ^search_id} = Ash.get!(Ets.ModelTrial, id)
        assert store.trials_of_model_run(instance, search_id) == {:ok, [{id, true}]}
      end

      test "is only found where the host writes its trials itself" do
        instance = start_store(Ets, trial: Ets.ModelTrial, model_run: nil)
        store = instance.config.store

        assert_error(
          :not_found,
          store.record_trial(instance, %{trial_id: "t9", status: :running})
        )

        %{id: id} = Ets.World.create!(nil, trial_id: "t9")
        assert {:ok, ^id} = store.record_trial(instance, %{trial_id: "t9", status: :failed})
        assert Ets.World.get!(nil, "t9").status == :running
        assert {:ok, "search"} = store.record_model_run(instance, %{run_id: "search"})
      end
    end

    describe "more rows than a page of the host's action" do
      test "are all read" do
        instance = start_store(Ets)
        for n <- 1..10, do: Ets.World.create!(nil, trial_id: "t#{n}")
        store = instance.config.store
        assert {:ok, trials} = store.trials_without_run(instance, [nil])
        assert length(trials) == 10
        assert {:ok, ids} = store.due_trials(instance, 100)
        assert length(Enum.uniq(ids)) == 10
        assert {:ok, [_, _, _, _]} = store.due_trials(instance, 4)
      end
    end

    describe "a host's own" do
      setup do
        Guarded.clean!()
        for tenant <- ["acme", "other"], do: Guarded.create_in!(tenant, trial_id: "t1")
        :ok
      end

      defp guarded(opts) do
        opts = Guarded.store(Keyword.merge([tenant: "acme", actor: %{role: :sync}], opts))
        instance!(start_instance(store: {MLflow.Store.Ash, opts}, queue: MLflow.NoQueue))
      end

      test "tenants see only what is theirs" do
        {acme, other} = {guarded(tenant: "acme"), guarded(tenant: "other")}
        store = acme.config.store
        {:ok, trial} = store.fetch_trial(acme, "t1")
        {:ok, theirs} = store.fetch_trial(other, "t1")
        assert trial.id != theirs.id
        assert_error(:not_found, store.fetch_trial(acme, theirs.id))

        for {instance, trial} <- [{acme, trial}, {other, theirs}] do
          {:ok, _} = store.put_run(instance, %{mlflow_run_id: "r1", model_trial_id: trial.id})
          {:ok, 1} = store.append_points(instance, "t1", [{"loss", 0.5, 1, 1}])

          attempt = %{
            action: :create_run,
            target: "t1",
            direction: :push,
            result: :ok,
            started_at: 1,
            duration_ms: 1
          }

          :ok = store.record_sync(instance, attempt, [])
          assert {:ok, %{model_trial_id: id}} = store.fetch_run(instance, "r1")
          assert id == trial.id
          assert {:ok, [_]} = store.sync_history(instance, %{})
          assert {:ok, [_]} = store.trial_points(instance, "t1", nil)
        end
      end

      test "policies forbid, by name of resource and action, for good" do
        instance = guarded(actor: %{role: :viewer})
        store = instance.config.store
        {:ok, trial} = store.fetch_trial(instance, "t1")
        attrs = %{mlflow_run_id: "r1", model_trial_id: trial.id}
        error = assert_error(:forbidden, store.put_run(instance, attrs))
        assert error.message =~ "MLflow.AshHost.Guarded.Run"
        assert error.message =~ ":create"
        assert MLflow.Error.verdict(error) == :cancel

        # Whoever is not asked, is not forbidden.
        instance = guarded(actor: nil, authorize?: false)
        assert {:ok, _} = store.put_run(instance, attrs)
      end

      @tag :postgres
      test "policies forbid in the midst of a transaction, and nothing is left of it" do
        host = MLflow.AshHost.WatchedPostgres
        instance = start_store(host, actor: %{role: :viewer})
        Module.concat(host, World).create!(nil, trial_id: "t1")
        store = instance.config.store
        error = assert_error(:forbidden, store.append_points(instance, "t1", [{"a", 1.0, 1, 1}]))
        assert error.message =~ "MLflow.AshHost.WatchedPostgres.Run"
        assert error.message =~ ":create"
        assert store.trial_points(instance, "t1", nil) == {:ok, []}
      end

      test "policies hide trials, which then are unknown" do
        Guarded.create_in!("acme", trial_id: "hidden")
        instance = guarded([])
        assert_error(:not_found, instance.config.store.fetch_trial(instance, "hidden"))
        assert {:ok, [_]} = instance.config.store.due_trials(instance, 10)
      end

      test "notifiers hear of what is written, once it is" do
        instance = guarded([])
        Listener.listen()
        store = instance.config.store
        {:ok, trial} = store.fetch_trial(instance, "t1")
        {:ok, _} = store.put_run(instance, %{mlflow_run_id: "r1", model_trial_id: trial.id})
        assert_receive {:notified, Guarded.Run, :create, %{mlflow_run_id: "r1"}}

        {:ok, _} = store.put_run(instance, %{mlflow_run_id: "r1", run_name: "better"})
        assert_receive {:notified, Guarded.Run, :sync, %{run_name: "better"}}
      end

      test "attributes and actions stand beside ours" do
        instance = guarded([])
        {:ok, _} = instance.config.store.put_run(instance, %{mlflow_run_id: "r1"})
        opts = [tenant: "acme", actor: %{role: :sync}]
        run = Guarded.Run.by_mlflow_id!("r1", opts)
        assert run.reviewed == false
        run = Ash.update!(run, %{}, [action: :review] ++ opts)
        assert run.reviewed

        # What the host notes in its own attributes stays.
        {:ok, _} = instance.config.store.put_run(instance, %{mlflow_run_id: "r1", run_name: "n"})
        assert %{reviewed: true, run_name: "n"} = Guarded.Run.by_mlflow_id!("r1", opts)
      end
    end

    describe "a host's change that no single statement can make" do
      @tag :postgres
      test "leaves a claim one's alone" do
        instance = start_store(MLflow.AshHost.WatchedPostgres)
        MLflow.AshHost.WatchedPostgres.World.create!(nil, trial_id: "t1")
        store = instance.config.store
        {:ok, trial} = store.fetch_trial(instance, "t1")

        for _round <- 1..3 do
          kinds =
            1..10
            |> Task.async_stream(fn _ -> store.claim_run(instance, trial, "1") end,
              max_concurrency: 10
            )
            |> Enum.frequencies_by(fn
              {:ok, {:ok, {kind, _}}} -> kind
              {:ok, {:error, error}} -> error.kind
            end)

          assert kinds == %{fresh: 1, conflict: 9}
          {:ok, record} = store.fetch_run_by_trial(instance, trial.id)
          :ok = store.release_claim(instance, record)
        end
      end

      @tag :postgres
      test "loses no point of many writers" do
        instance = start_store(MLflow.AshHost.WatchedPostgres)
        MLflow.AshHost.WatchedPostgres.World.create!(nil, trial_id: "t1")
        store = instance.config.store

        1..6
        |> Task.async_stream(fn writer ->
          for n <- 1..5,
              do: {:ok, 1} = store.append_points(instance, "t1", [{"w#{writer}", 1.0, n, n}])
        end)
        |> Stream.run()

        assert {:ok, points} = store.trial_points(instance, "t1", nil)
        assert length(points) == 30
      end
    end

    describe "without transactions" do
      test "one writes after the other, and within a turn at once" do
        this = self()

        writer =
          Task.async(fn ->
            Mutex.hold(:rows, fn ->
              send(this, :holds)
              receive do: (:done -> Mutex.hold(:rows, fn -> :inner end))
            end)
          end)

        assert_receive :holds
        other = Task.async(fn -> Mutex.hold(:rows, fn -> :after end) end)
        assert Task.yield(other, 50) == nil
        send(writer.pid, :done)
        assert Task.await(writer) == :inner
        assert Task.await(other) == :after
      end

      test "whoever dies at it keeps nobody out" do
        {pid, monitor} = spawn_monitor(fn -> Mutex.hold(:more_rows, fn -> exit(:killed) end) end)
        assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}
        assert Mutex.hold(:more_rows, fn -> :mine end) == :mine
      end
    end

    describe "what went wrong" do
      test "in the database may pass, and what cannot be kept does not" do
        lost = DBConnection.ConnectionError.exception("connection closed")
        assert {:error, error} = Failure.guard(Ets.Run, :sync, fn -> raise lost end)
        assert {error.kind, error.retryable} == {:store, true}
        assert error.message =~ "connection closed"

        odd = %RuntimeError{message: "odd"}
        assert {:error, %{kind: :store}} = Failure.guard(Ets.Run, :sync, fn -> {:error, odd} end)
      end

      test "among a host's tenants is a matter of configuration" do
        missing = Ash.Error.Invalid.TenantRequired.exception(resource: Ets.Run)
        assert {:error, error} = Failure.guard(Ets.Run, :read, fn -> {:error, missing} end)
        assert {error.kind, error.retryable} == {:config, false}
        assert error.message =~ "give the store a tenant:"
      end
    end

    describe "a sync" do
      for host <- [Ets, MLflow.AshHost.Postgres], Code.ensure_loaded?(host) do
        if host == MLflow.AshHost.Postgres, do: @tag(:postgres)
        @tag host: host

        test "over #{inspect(host)} goes both ways", %{host: host} do
          {server, tracking} = start_tracking()
          world = Module.concat(host, World)
          options = world.options() ++ [tracking_uri: ScriptedServer.uri(server)]
          name = start_instance(options)

          attrs = [
            trial_id: "t1",
            status: :succeeded,
            parameters: %{"lr" => 0.1},
            metrics: %{"loss" => 0.5}
          ]

          %{id: id} = world.create!(name, attrs)

          assert {:ok, _} = MLflow.Sync.trial_to_mlflow("t1", name: name)
          assert [run] = Tracking.runs(tracking)
          assert world.get!(name, "t1").mlflow_run_id == run["run_id"]
          record = Module.concat(host, Run).by_trial_id!(id, load: :points)
          assert record.mlflow_run_id == run["run_id"]
          assert [%{key: "loss", value: 0.5, remote: false}] = record.points

          # Nothing is new, and nothing is sent.
          assert {:ok, _} = MLflow.Sync.trial_to_mlflow(id, name: name)
          assert [_] = Tracking.runs(tracking)

          # The run fails elsewhere, and the trial hears of it.
          Tracking.change_run(tracking, run["run_id"], &Map.put(&1, "status", "FAILED"))
          assert {:ok, _} = MLflow.Sync.mlflow_to_trial(run["run_id"], name: name)
          assert world.get!(name, "t1").status == :failed

          {:ok, attempts} = MLflow.history(trial: "t1", name: name)
          assert length(attempts) == 3
        end
      end
    end
  end
end
