if Code.ensure_loaded?(MLflow.Store.Ecto) do
  defmodule MLflow.Store.EctoTest do
    use MLflow.Case, async: false

    alias MLflow.{CoarseTrial, Error, HostSearch, HostTrial, HostWorld, NoQueue, Sync, TestRepo}

    @moduletag :ecto
    @moduletag :postgres

    @run_id "0123456789abcdef0123456789abcdef"
    @hour_ago ~U[2024-01-01 00:00:00.123456Z]

    defp start(opts \\ [], store_opts \\ []) do
      {server, tracking} = start_tracking(Keyword.get(opts, :overrides, %{}))
      experiment = Tracking.add_experiment(tracking, "trials")

      name =
        [tracking_uri: ScriptedServer.uri(server), experiment_id: experiment]
        |> Keyword.merge(HostWorld.options(store_opts))
        |> Keyword.merge(Keyword.delete(opts, :overrides))
        |> start_instance()

      instance = instance!(name)

      %{
        name: name,
        instance: instance,
        store: instance.config.store,
        server: server,
        tracking: tracking,
        experiment: experiment
      }
    end

    defp create!(attrs), do: HostWorld.create!(nil, attrs)
    defp get!(trial_id), do: HostWorld.get!(nil, trial_id)

    defp points(run),
      do: run["points"] |> Enum.map(&{&1["key"], &1["value"], &1["step"]}) |> Enum.sort()

    describe "a host's trial and its run" do
      test "a finished trial goes up in 3 requests, and then costs none" do
        %{name: name, server: server, tracking: tracking} = start()

        search = TestRepo.insert!(%HostSearch{run_id: "search-1", state: :running})

        trial =
          create!(
            trial_id: "t1",
            model_run_id: search.id,
            status: :succeeded,
            parameters: %{"lr" => 0.1, "opt" => %{"name" => "adam"}},
            metrics: %{"accuracy" => 0.93, "note" => "ok"},
            spectral_norm: true,
            inserted_at: @hour_ago,
            updated_at: @hour_ago
          )

        assert {:ok, %{"creation" => "created", "requests" => 3, "conflicts" => []}} =
                 Sync.trial_to_mlflow("t1", name: name)

        assert ScriptedServer.operations(server) == [
                 "runs/create",
                 "runs/log-batch",
                 "runs/update"
               ]

        assert [run] = Tracking.runs(tracking)
        assert run["params"] == %{"lr" => "0.1", "opt.name" => "adam", "spectral_norm" => "true"}
        assert points(run) == [{"accuracy", 0.93, 0}]
        assert run["tags"]["thunderline_trial_id"] == "t1"
        assert run["tags"]["thunderline_model_run_id"] == search.id
        assert {run["status"], run["run_name"]} == {"FINISHED", "trial_t1"}

        assert %{mlflow_run_id: id} = noted = get!("t1")
        assert id == run["run_id"]
        # The note is no change of the trial.
        assert noted.updated_at == trial.updated_at

        assert {:ok, %{"requests" => 0, "pulled" => 0}} =
                 Sync.trial_to_mlflow(trial.id, name: name)

        assert instance!(name).config.store.due_trials(instance!(name), 10) == {:ok, []}
      end

      test "what changed on the server comes into the trial, and back goes nothing" do
        %{name: name, tracking: tracking, experiment: experiment} = start()

        create!(
          trial_id: "t1",
          status: :running,
          parameters: %{"lr" => 0.1},
          metrics: %{"loss" => 1.0},
          updated_at: @hour_ago
        )

        {:ok, %{"mlflow_run_id" => run_id}} = Sync.trial_to_mlflow("t1", name: name)

        Tracking.change_run(tracking, run_id, fn run ->
          point = %{
            "key" => "loss",
            "value" => 0.5,
            "step" => 3,
            "timestamp" => System.system_time(:millisecond)
          }

          run
          |> Map.merge(%{
            "status" => "FINISHED",
            "end_time" => 1_700_000_000_000,
            "run_name" => "renamed"
          })
          |> Map.update!("params", &Map.put(&1, "batch", "32"))
          |> Map.update!("tags", &Map.put(&1, "team", "a"))
          |> Map.update!("points", &(&1 ++ [point]))
        end)

        assert {:ok, %{"conflicts" => []}} = Sync.experiment(experiment, name: name)
        assert %{status: :succeeded, metrics: %{"loss" => 0.5}} = pulled = get!("t1")
        assert pulled.parameters == %{"lr" => 0.1, "batch" => "32"}

        # The host has no place for a name, a tag or an end, and they do not look deleted or changed here.
        changed = hd(Tracking.runs(tracking))
        assert {:ok, %{"writes" => 0, "conflicts" => []}} = Sync.trial_to_mlflow("t1", name: name)
        assert {:ok, _} = Sync.experiment(experiment, name: name)
        assert hd(Tracking.runs(tracking)) == changed
      end

      test "metrics that the record tells are recorded once, and never over a later point" do
        %{name: name, instance: instance, store: store, tracking: tracking} = start()
        create!(trial_id: "t1", status: :running, metrics: %{"loss" => 1.0})
        {:ok, %{"mlflow_run_id" => run_id}} = Sync.trial_to_mlflow("t1", name: name)

        {:ok, 1} =
          store.append_points(instance, "t1", [
            {"loss", 0.5, 10, System.system_time(:millisecond)}
          ])

        {:ok, _} = Sync.trial_to_mlflow("t1", name: name)
        {:ok, _} = Sync.trial_to_mlflow("t1", name: name)
        assert [%{"run_id" => ^run_id} = run] = Tracking.runs(tracking)
        assert points(run) == [{"loss", 0.5, 10}, {"loss", 1.0, 0}]

        HostWorld.update!(name, "t1", metrics: %{"loss" => 0.25})
        {:ok, _} = Sync.trial_to_mlflow("t1", name: name)
        {:ok, _} = Sync.trial_to_mlflow("t1", name: name)

        assert points(hd(Tracking.runs(tracking))) == [
                 {"loss", 0.25, 10},
                 {"loss", 0.5, 10},
                 {"loss", 1.0, 0}
               ]

        {:ok, latest} = store.trial_points(instance, "t1", "loss")
        assert {"loss", 0.25, 10, _} = List.last(latest)
      end

      test "a whole experiment, with strangers and trials without a run" do
        %{name: name, tracking: tracking, experiment: experiment} = start()

        for n <- 1..5,
            do:
              create!(
                trial_id: "t#{n}",
                status: :succeeded,
                metrics: %{"loss" => n * 1.0},
                updated_at: @hour_ago,
                inserted_at: @hour_ago
              )

        for _ <- 1..3, do: Tracking.add_run(tracking, experiment)

        assert {:ok, %{"failed" => []} = report} = Sync.experiment(experiment, name: name)
        assert report["runs"] == 8
        assert length(Tracking.runs(tracking)) == 8
        assert {:ok, _} = Sync.experiment(experiment, name: name)
        assert {:ok, %{"unchanged" => 8}} = Sync.experiment(experiment, name: name)
      end

      test "a trial whose status means nothing fails alone, and says why" do
        %{name: name, experiment: experiment, tracking: tracking} = start([], trial: CoarseTrial)
        TestRepo.insert!(%CoarseTrial{trial_id: "odd", status: "frobnicated"})
        TestRepo.insert!(%CoarseTrial{trial_id: "even", status: "succeeded"})
        error = assert_error(:invalid, Sync.trial_to_mlflow("odd", name: name))
        assert error.message =~ "frobnicated"
        assert {:ok, %{"failed" => [failure]}} = Sync.experiment(experiment, name: name)
        assert failure["message"] =~ "statuses:"
        assert [%{"run_name" => "trial_even"}] = Tracking.runs(tracking)
      end
    end

    test "a change within the second in which the trial was read is not missed" do
      %{name: name, instance: instance, store: store} = start([], trial: CoarseTrial)
      trial = TestRepo.insert!(%CoarseTrial{trial_id: "t1", status: "succeeded"})
      {:ok, _} = Sync.trial_to_mlflow("t1", name: name)

      # Nobody can tell this write from the one before by its time.
      trial
      |> Ecto.Changeset.change(parameters: %{"lr" => 1})
      |> Ecto.Changeset.force_change(:updated_at, trial.updated_at)
      |> TestRepo.update!()

      assert store.due_trials(instance, 10) == {:ok, [trial.id]}

      eventually(fn ->
        NaiveDateTime.diff(NaiveDateTime.utc_now(), trial.updated_at, :millisecond) > 1_100
      end)

      {:ok, _} = Sync.trial_to_mlflow("t1", name: name)
      assert store.due_trials(instance, 10) == {:ok, []}
    end

    test "a watermark never passes points that are not committed yet" do
      %{instance: instance, store: store} = start()
      create!(trial_id: "t1")
      {:ok, 1} = store.append_points(instance, "t1", [{"a", 1.0, 1, 1}])
      test = self()

      slow =
        Task.async(fn ->
          TestRepo.transaction(fn ->
            {:ok, 1} = store.append_points(instance, "t1", [{"slow", 1.0, 1, 1}])
            send(test, :appended)
            receive do: (:commit -> :ok)
          end)
        end)

      assert_receive :appended
      fast = Task.async(fn -> store.append_points(instance, "t1", [{"fast", 1.0, 1, 1}]) end)

      # What can be seen is in order: nothing that came later is there before it.
      {:ok, side} = store.load_for_sync(instance, "t1")
      assert Enum.map(side.points, &elem(&1, 0)) == ["a"]
      refute Task.yield(fast, 200)

      send(slow.pid, :commit)
      assert {:ok, _} = Task.await(slow)
      assert {:ok, 1} = Task.await(fast)

      attrs = %{
        mlflow_run_id: @run_id,
        model_trial_id: side.trial.id,
        points_seq: side.points_seq
      }

      {:ok, _} = store.put_run(instance, attrs)
      {:ok, side} = store.load_for_sync(instance, "t1")
      assert Enum.map(side.points, &elem(&1, 0)) == ["slow", "fast"]
    end

    test "very many points go in few statements, and come piece by piece" do
      %{instance: instance, store: store} = start()
      create!(trial_id: "t1")
      points = for step <- 1..50_001, do: {"a", step * 1.0, step, step}
      assert store.append_points(instance, "t1", points) == {:ok, 50_001}
      assert store.append_points(instance, "t1", Enum.take(points, 5_000)) == {:ok, 0}
      assert {:ok, %{more?: true} = side} = store.load_for_sync(instance, "t1")
      assert length(side.points) == 50_000
    end

    test "a deleted trial leaves the record of its run, and nothing else" do
      %{instance: instance, store: store} = start()
      for id <- ["t1", "t2"], do: create!(trial_id: id)
      {:ok, trial} = store.fetch_trial(instance, "t1")
      {:ok, _} = store.put_run(instance, %{mlflow_run_id: @run_id, model_trial_id: trial.id})
      {:ok, 1} = store.append_points(instance, "t2", [{"a", 1.0, 1, 1}])
      TestRepo.delete_all(HostTrial)

      assert {:ok, %{model_trial_id: nil}} = store.fetch_run(instance, @run_id)
      assert store.prune_history(instance, 0) == {:ok, 0}
      assert TestRepo.aggregate(MLflow.Store.Ecto.Run, :count) == 1
      assert TestRepo.aggregate(MLflow.Store.Ecto.Point, :count) == 0
    end

    describe "the host's own way to write" do
      test "a pull goes through its changeset" do
        %{instance: instance, store: store} = start([], update: &HostTrial.pull_changeset/2)
        create!(trial_id: "t1", updated_at: @hour_ago)
        {:ok, trial} = store.fetch_trial(instance, "t1")

        pull = %{
          name: nil,
          status: :failed,
          start_time: nil,
          end_time: nil,
          artifact_uri: "s3://not-ours",
          params: %{"lr" => "1"},
          tags: %{},
          deleted_tags: [],
          points: [],
          metric_values: %{}
        }

        assert {:ok, {0, _}} = store.update_trial(instance, trial, pull)
        assert %{status: :failed, parameters: %{"lr" => "1"}, artifact_uri: nil} = get!("t1")
      end

      test "one that refuses is an error in its own words" do
        refuse = fn trial, _changes ->
          trial |> Ecto.Changeset.change() |> Ecto.Changeset.add_error(:status, "is ours to tell")
        end

        %{instance: instance, store: store} = start([], update: refuse)
        create!(trial_id: "t1")
        {:ok, trial} = store.fetch_trial(instance, "t1")

        error =
          assert_error(
            :invalid,
            store.put_run(instance, %{mlflow_run_id: @run_id, model_trial_id: trial.id})
          )

        assert error.message =~ "status is ours to tell"
        # Neither is written.
        assert store.fetch_run(instance, @run_id) == {:ok, nil}
      end

      test "only what it lets a pull write is written" do
        %{instance: instance, store: store} = start([], writable: [:parameters])
        create!(trial_id: "t1")
        {:ok, trial} = store.fetch_trial(instance, "t1")

        pull = %{
          name: nil,
          status: :failed,
          start_time: nil,
          end_time: nil,
          artifact_uri: nil,
          params: %{"l\0r" => "1"},
          tags: %{},
          deleted_tags: [],
          points: [],
          metric_values: %{}
        }

        assert {:ok, {0, _}} = store.update_trial(instance, trial, pull)
        assert %{status: :running, parameters: %{"l\uFFFDr" => "1"}} = get!("t1")
      end
    end

    describe "what a bridge reports" do
      test "is found where the host writes it itself" do
        %{instance: instance, store: store} = start()
        trial = create!(trial_id: "t1", status: :running)

        assert store.record_trial(instance, %{trial_id: "t1", status: :succeeded}) ==
                 {:ok, trial.id}

        assert get!("t1").status == :running
        error = assert_error(:not_found, store.record_trial(instance, %{trial_id: "t2"}))
        assert error.message =~ "the host writes itself"
        assert store.record_model_run(instance, %{run_id: "search-1"}) == {:ok, "search-1"}
        search = TestRepo.insert!(%HostSearch{run_id: "search-1", state: :running})
        assert store.record_model_run(instance, %{run_id: "search-1"}) == {:ok, search.id}
      end

      test "is created where the store may" do
        %{instance: instance, store: store} = start([], create: true, put_model_run: true)
        {:ok, search} = store.record_model_run(instance, %{run_id: "search-1"})

        assert {:ok, ^search} =
                 store.record_model_run(instance, %{
                   run_id: "search-1",
                   state: "succeeded",
                   nonsense: 1
                 })

        assert %{state: :succeeded} = TestRepo.get!(HostSearch, search)

        attrs = %{trial_id: "t1", status: :running, model_run_id: search, metrics: %{a: "\0"}}

        answers =
          1..5
          |> Task.async_stream(fn _ -> store.record_trial(instance, attrs) end)
          |> Enum.map(&elem(&1, 1))

        assert [{:ok, id}] = Enum.uniq(answers)
        assert {:ok, ^id} = store.record_trial(instance, %{trial_id: "t1", status: "failed"})
        assert %{status: :failed, model_run_id: ^search} = get!("t1")
        assert store.trials_of_model_run(instance, search) == {:ok, [{id, true}]}
        assert store.trials_of_model_run(instance, "nobody") == {:ok, []}
      end
    end

    describe "trouble" do
      test "an option that is none, or wrong, says what to do" do
        for {options, message} <- [
              {[], "give repo: MyApp.Repo"},
              {[repo: TestRepo], "give trial: MyApp.ModelTrial"},
              {[repo: TestRepo, trail: HostTrial], "did you mean :trial?"},
              {[repo: Enum, trial: HostTrial], "repo: is an Ecto repo"},
              {[repo: TestRepo, trial: Enum], "trial: is an Ecto schema"},
              {[repo: TestRepo, trial: HostTrial, update: :no], "update: is a function"},
              {[repo: TestRepo, trial: HostTrial, writable: [:statsu]], "did you mean :status?"},
              {[repo: TestRepo, trial: HostTrial, model_run: HostTrial], ":run_id"},
              {[repo: TestRepo, trial: HostTrial, put_model_run: true], "give model_run: too"}
            ] do
          options = instance_options(store: {MLflow.Store.Ecto, options}, queue: NoQueue)
          Process.flag(:trap_exit, true)
          assert {:error, reason} = MLflow.start_link(options)
          assert inspect(reason, limit: :infinity, printable_limit: :infinity) =~ message
        end
      end

      test "a table that is missing says to migrate" do
        %{instance: instance, store: store} = start([], prefix: "nowhere")
        create!(trial_id: "t1")
        error = assert_error(:store, store.load_for_sync(instance, "t1"))
        assert error.retryable
        assert error.message =~ "mix ecto.migrate"
      end

      test "a database that does not answer is a retryable error, and no crash" do
        defmodule GoneRepo do
          use Ecto.Repo, otp_app: :mlflow_sync_host, adapter: Ecto.Adapters.Postgres
        end

        %{instance: instance, store: store} = start([], repo: GoneRepo)
        assert %Error{retryable: true} = assert_error(:store, store.fetch_trial(instance, "t1"))

        start_supervised!(
          {GoneRepo,
           hostname: "127.0.0.1",
           port: 1,
           database: "x",
           username: "x",
           queue_target: 5,
           queue_interval: 5,
           pool_size: 1,
           log: false}
        )

        assert %Error{retryable: true} = assert_error(:store, store.due_trials(instance, 1))

        assert %Error{retryable: true} =
                 assert_error(
                   :store,
                   store.append_points(instance, Ecto.UUID.generate(), [{"a", 1.0, 1, 1}])
                 )
      end

      test "a transaction of the host's that rolls back takes the points with it" do
        %{instance: instance, store: store} = start()
        create!(trial_id: "t1")

        TestRepo.transaction(fn ->
          {:ok, 1} = store.append_points(instance, "t1", [{"a", 1.0, 1, 1}])
          TestRepo.rollback(:no)
        end)

        assert store.trial_points(instance, "t1", nil) == {:ok, []}
      end
    end

    test "a host that writes a trial and its points in one transaction is never locked out" do
      %{instance: instance, store: store} = start()
      create!(trial_id: "t1")
      {:ok, trial} = store.fetch_trial(instance, "t1")
      {:ok, 1} = store.append_points(instance, "t1", [{"a", 1.0, 1, 1}])
      test = self()

      host =
        Task.async(fn ->
          TestRepo.transaction(fn ->
            HostWorld.update!(nil, "t1", rank: 1)
            send(test, :written)
            receive do: (:go_on -> :ok)
            store.append_points(instance, "t1", [{"a", 2.0, 2, 2}])
          end)
        end)

      assert_receive :written

      link =
        Task.async(fn ->
          store.put_run(instance, %{mlflow_run_id: @run_id, model_trial_id: trial.id})
        end)

      refute Task.yield(link, 200)
      send(host.pid, :go_on)
      assert {:ok, {:ok, 1}} = Task.await(host)
      assert {:ok, _} = Task.await(link)
      assert %{rank: 1, mlflow_run_id: @run_id} = get!("t1")
    end

    test "a host with numbers for keys, and with names of its own" do
      TestRepo.query!("DROP SCHEMA IF EXISTS numbers CASCADE")
      TestRepo.query!("DROP TABLE IF EXISTS numbered_trials")

      TestRepo.query!("""
      CREATE TABLE numbered_trials (number bigserial PRIMARY KEY, code text UNIQUE, experiment text,
        title text, phase text, config jsonb, loss float8, run text, made_at timestamptz(0) NOT NULL,
        changed_at timestamptz(0) NOT NULL)
      """)

      TestRepo.query!("DELETE FROM schema_migrations WHERE version = 6")
      MLflow.Postgres.migrate(6, MLflow.Store.EctoTest.WithNumbers)

      %{name: name, instance: instance, store: store, experiment: experiment, tracking: tracking} =
        start([], prefix: "numbers", trial: MLflow.NumberedTrial, model_run: nil)

      made = %{
        code: "c1",
        phase: :done,
        config: %{"lr" => 0.1},
        loss: 0.5,
        title: "first",
        changed_at: ~U[2024-01-01 00:00:00Z],
        made_at: ~U[2024-01-01 00:00:00Z]
      }

      first = TestRepo.insert!(struct!(MLflow.NumberedTrial, made))
      second = TestRepo.insert!(struct!(MLflow.NumberedTrial, %{made | code: "c2", phase: :open}))
      key = to_string(first.number)

      assert {:ok, %{"failed" => []}} = Sync.experiment(experiment, name: name)
      run = Enum.find(Tracking.runs(tracking), &(&1["tags"]["thunderline_trial_id"] == "c1"))

      assert {run["run_name"], run["params"], points(run)} ==
               {"first", %{"lr" => "0.1"}, [{"loss", 0.5, 0}]}

      assert {:ok, %{model_trial_id: ^key}} = store.fetch_run_by_trial(instance, key)
      assert TestRepo.reload!(first).run == run["run_id"]
      assert store.due_trials(instance, 9) == {:ok, [to_string(second.number)]}

      Tracking.change_run(tracking, run["run_id"], &Map.put(&1, "run_name", "renamed"))
      assert {:ok, %{"failed" => []}} = Sync.experiment(experiment, name: name)
      assert TestRepo.reload!(first).title == "renamed"
      assert {:ok, %{id: ^key}} = store.fetch_trial(instance, "c1")
      MLflow.Postgres.rollback(6, MLflow.Store.EctoTest.WithNumbers)
    end

    defmodule WithNumbers do
      use Ecto.Migration

      def up do
        MLflow.Migration.up(
          prefix: "numbers",
          trials: "numbered_trials",
          host_prefix: "public",
          key_type: :bigint
        )
      end

      def down, do: MLflow.Migration.down(prefix: "numbers")
    end

    test "the tables may be in a schema of their own" do
      TestRepo.query!("DROP SCHEMA IF EXISTS tenant CASCADE")
      TestRepo.query!("DELETE FROM schema_migrations WHERE version = 5")
      MLflow.Postgres.migrate(5, MLflow.Store.EctoTest.InTenant)

      %{name: name, instance: instance, store: store, experiment: experiment} =
        start([], prefix: "tenant")

      trial =
        create!(trial_id: "t1", status: :succeeded, metrics: %{"a" => 1.0}, updated_at: @hour_ago)

      assert store.due_trials(instance, 5) == {:ok, [trial.id]}
      assert {:ok, %{"failed" => []}} = Sync.experiment(experiment, name: name)
      assert store.due_trials(instance, 5) == {:ok, []}
      assert TestRepo.aggregate(MLflow.Store.Ecto.Run, :count) == 0
      MLflow.Postgres.rollback(5, MLflow.Store.EctoTest.InTenant)
    end

    defmodule InTenant do
      use Ecto.Migration

      def up do
        MLflow.Migration.up(
          prefix: "tenant",
          trials: "cerebros_model_trials",
          host_prefix: "public"
        )
      end

      def down, do: MLflow.Migration.down(prefix: "tenant")
    end
  end
end
