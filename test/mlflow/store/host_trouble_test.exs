if Code.ensure_loaded?(MLflow.Store.Ecto) do
  defmodule MLflow.Store.HostTroubleTest do
    @moduledoc """
    What several who write the same rows at once, and values that nobody expected, may not do to a store
    over a host's tables.
    """

    use MLflow.Case, async: false

    alias MLflow.{HostTrial, HostWorld, NoQueue, OddTables, OddTrial, Sync, TestRepo, Trials}
    import Ecto.Query

    @moduletag :ecto
    @moduletag :postgres

    @nothing MLflow.Store.nothing_pulled()

    @worlds [ecto: HostWorld] ++
              if(Code.ensure_loaded?(MLflow.AshHost.Postgres),
                do: [ash: MLflow.AshHost.Postgres.World],
                else: []
              )

    defp start(options) do
      {server, tracking} = start_tracking()
      experiment = Tracking.add_experiment(tracking, "trials")

      name =
        [tracking_uri: ScriptedServer.uri(server), experiment_id: experiment]
        |> Keyword.merge(options)
        |> start_instance()

      instance = instance!(name)

      %{
        name: name,
        instance: instance,
        store: instance.config.store,
        tracking: tracking,
        experiment: experiment
      }
    end

    # Others do this meanwhile, in a connection of their own.
    defp elsewhere(fun), do: Task.async(fun)

    defp wait_for_lock(tries \\ 500) do
      sql =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

      case TestRepo.query!(sql).rows do
        [[0]] when tries > 0 ->
          Process.sleep(10)
          wait_for_lock(tries - 1)

        [[count]] ->
          count > 0 || flunk("nobody waits")
      end
    end

    for {kind, world} <- @worlds do
      describe "over #{kind}:" do
        @describetag kind

        test "a write whose time was taken before another's and that comes after it is seen" do
          world = unquote(world)
          %{name: name, instance: instance, store: store} = start(world.options())
          world.create!(name, trial_id: "t1", status: :succeeded, metrics: %{"loss" => 1.0})
          world.age!(name)
          {:ok, _} = Sync.trial_to_mlflow("t1", name: name)
          assert store.due_trials(instance, 5) == {:ok, []}

          earlier = ~U[2024-01-01 00:00:00.120000Z]

          TestRepo.update_all(HostTrial,
            set: [metrics: %{"loss" => 2.0}, updated_at: earlier]
          )

          id = world.get!(name, "t1").id
          assert store.due_trials(instance, 5) == {:ok, [id]}
          assert {:ok, %{"pushed" => 1}} = Sync.trial_to_mlflow("t1", name: name)
          assert store.due_trials(instance, 5) == {:ok, []}
        end

        test "the comparison of an experiment sees it, too" do
          world = unquote(world)
          %{name: name, experiment: experiment} = start(world.options())
          world.create!(name, trial_id: "t1", status: :succeeded)
          world.age!(name)
          {:ok, _} = Sync.experiment(experiment, name: name)
          {:ok, _} = Sync.experiment(experiment, name: name)

          TestRepo.update_all(HostTrial,
            set: [metrics: %{"loss" => 2.0}, updated_at: ~U[2024-01-01 00:00:00.120000Z]]
          )

          assert {:ok, %{"pushed" => 1}} = Sync.experiment(experiment, name: name)
          assert {:ok, %{"unchanged" => 1}} = Sync.experiment(experiment, name: name)
        end

        test "a run that was deleted on the server leaves its trial as it was: not due, and no write each time" do
          world = unquote(world)

          %{name: name, instance: instance, store: store, tracking: tracking} =
            context = start(world.options())

          world.create!(name, trial_id: "t1", status: :succeeded)
          world.age!(name)
          {:ok, %{"mlflow_run_id" => run_id}} = Sync.trial_to_mlflow("t1", name: name)
          Tracking.change_run(tracking, run_id, &Map.put(&1, "lifecycle_stage", "deleted"))

          {:ok, _} = Sync.experiment(context.experiment, name: name)
          assert store.due_trials(instance, 5) == {:ok, []}

          assert {:ok, %{"pulled" => 0, "unchanged" => 1}} =
                   Sync.experiment(context.experiment, name: name)
        end

        test "a value that was read before another is not told after it" do
          world = unquote(world)
          %{name: name, instance: instance, store: store} = start(world.options())
          world.create!(name, trial_id: "t1", status: :running, metrics: %{})
          {:ok, _} = store.append_points(instance, "t1", [{"other", 1.0, 0, 1}])
          world.update!(name, "t1", metrics: %{"loss" => 0.5})

          {:ok, late} =
            TestRepo.transaction(fn ->
              TestRepo.query!("SELECT FROM mlflow_runs FOR UPDATE")
              late = elsewhere(fn -> store.load_for_sync(instance, "t1") end)
              wait_for_lock()
              update = elsewhere(fn -> world.update!(name, "t1", metrics: %{"loss" => 0.9}) end)
              Task.await(update)
              {:ok, _} = store.load_for_sync(instance, "t1")
              late
            end)

          assert {:ok, _} = Task.await(late)
          assert {:ok, [{"loss", 0.9, 0, _}]} = store.trial_points(instance, "t1", "loss")
        end

        test "what a pull wrote into the record is no point after those that were recorded here" do
          world = unquote(world)
          %{name: name, instance: instance, store: store} = start(world.options())
          world.create!(name, trial_id: "t1", status: :running)
          {:ok, trial} = store.fetch_trial(instance, "t1")
          {:ok, 1} = store.append_points(instance, "t1", [{"loss", 4.0, 4, 40}])

          pull = %{@nothing | points: [{"loss", 3.0, 3, 30}], metric_values: %{"loss" => 3.0}}
          {:ok, {1, _version}} = store.update_trial(instance, trial, pull)
          assert world.get!(name, "t1").metrics == %{"loss" => 3.0}

          assert {:ok, %{points: [{"loss", 4.0, 4, 40}]}} = store.load_for_sync(instance, "t1")

          assert {:ok, [{"loss", 3.0, 3, 30}, {"loss", 4.0, 4, 40}]} =
                   store.trial_points(instance, "t1", nil)

          # And what the host writes then is news again.
          world.update!(name, "t1", metrics: %{"loss" => 2.0})
          assert {:ok, %{points: [_, {"loss", 2.0, 4, _}]}} = store.load_for_sync(instance, "t1")
        end

        test "an error in a host's transaction leaves that as it was" do
          world = unquote(world)
          %{name: name, instance: instance, store: store} = start(world.options())
          world.create!(name, trial_id: "t1")
          too_late = 99_999_999_999_999_999_999

          assert {:ok, :done} =
                   TestRepo.transaction(fn ->
                     world.create!(name, trial_id: "t2")
                     assert :ok = Trials.log_metrics("t2", %{loss: 1.0}, name: name)

                     assert {:error, %{retryable: false}} =
                              store.append_points(instance, "t1", [{"loss", 1.0, too_late, 1}])

                     assert {:error, %{kind: :not_found}} =
                              Trials.log_metrics("nobody", %{loss: 1.0}, name: name)

                     TestRepo.query!("ALTER TABLE mlflow_runs RENAME COLUMN latest TO gone")

                     assert {:error, _} =
                              store.append_points(instance, "t1", [{"loss", 1.0, 0, 1}])

                     TestRepo.query!("ALTER TABLE mlflow_runs RENAME COLUMN gone TO latest")
                     assert :ok = Trials.log_metrics("t1", %{loss: 2.0}, name: name)
                     :done
                   end)

          assert {:ok, [%{value: 1.0}]} = Trials.history("t2", "loss", name: name)
          assert {:ok, [%{value: 2.0}]} = Trials.history("t1", "loss", name: name)
        end

        test "points of a trial that a pull holds do not lock it out" do
          world = unquote(world)
          %{name: name, instance: instance, store: store} = start(world.options())
          world.create!(name, trial_id: "t1", status: :running)
          {:ok, trial} = store.fetch_trial(instance, "t1")

          assert {:ok, {:ok, 1}} =
                   TestRepo.transaction(fn ->
                     pull = %{@nothing | status: :finished}
                     {:ok, _} = store.update_trial(instance, trial, pull)
                     log = fn -> store.append_points(instance, "t1", [{"loss", 1.0, 0, 1}]) end
                     other = elsewhere(log)
                     # It does not wait for this transaction, which would then wait for it.
                     Task.yield(other, 3_000)
                     store.append_points(instance, "t1", [{"loss", 0.5, 1, 2}])
                   end)

          assert {:ok, [_, _]} = store.trial_points(instance, "t1", "loss")
        end

        test "what PostgreSQL cannot keep comes in as what stands for it" do
          world = unquote(world)
          %{name: name, tracking: tracking} = context = start(world.options())
          world.create!(name, trial_id: "t1", status: :running)
          {:ok, %{"mlflow_run_id" => run_id}} = Sync.trial_to_mlflow("t1", name: name)

          Tracking.change_run(tracking, run_id, fn run ->
            point = %{"key" => "lo\0ss", "value" => 1.0e23, "step" => 1, "timestamp" => 5}

            run
            |> Map.merge(%{"run_name" => "a\0b", "artifact_uri" => "x\0y"})
            |> Map.update!("tags", &Map.put(&1, "k\0", "v\0"))
            |> Map.update!("points", &[point | &1])
          end)

          assert {:ok, _} = Sync.mlflow_to_trial(run_id, name: name)
          assert {:ok, %{"failed" => []}} = Sync.experiment(context.experiment, name: name)

          assert {:ok, %{"writes" => 0, "unchanged" => 1}} =
                   Sync.experiment(context.experiment, name: name)

          assert %{"lo\uFFFDss" => _} = world.get!(name, "t1").metrics
        end

        test "a run without a trial whose metrics are beyond JSON's integers is recorded once" do
          world = unquote(world)
          %{name: name} = context = start(world.options())
          {:ok, run} = MLflow.Client.create_run(context.experiment, name: name)
          metrics = %{"big" => 1.0e23, "huge" => 1.0e300}
          :ok = MLflow.Client.log_batch(run.run_id, [metrics: metrics], name: name)

          assert {:ok, %{"pulled" => pulled}} = Sync.mlflow_to_trial(run.run_id, name: name)
          assert pulled > 0
          assert {:ok, %{"pulled" => 0}} = Sync.mlflow_to_trial(run.run_id, name: name)
        end
      end
    end

    describe "a host with columns of every type" do
      setup do
        MLflow.Postgres.clean!()
        MLflow.Postgres.migrate(77, OddTables)

        on_exit(fn ->
          MLflow.Postgres.rollback(77, OddTables)
          TestRepo.query!("DROP SCHEMA IF EXISTS odd")
        end)

        store = {MLflow.Store.Ecto, repo: TestRepo, trial: OddTrial, prefix: "odd"}
        start(store: store, queue: NoQueue)
      end

      defp odd!(attrs), do: to_string(TestRepo.insert!(struct!(OddTrial, attrs)).id)

      test "has params and times of all of them", %{name: name, tracking: tracking} do
        id =
          odd!(
            code: 3,
            status: "succeeded",
            took: 12.5,
            completed_at: ~U[2024-01-01 00:00:00Z],
            blob: <<255, 0, 1>>,
            day: ~D[2024-01-01],
            cost: Decimal.new("12.50"),
            labels: %{"a" => %{"b" => [1]}},
            config: %{"n" => 123_456_789_012_345_678_901_234_567_890},
            scores: %{"big" => 123_456_789_012_345_678_901_234_567_890, "nan" => "NaN"}
          )

        assert {:ok, %{"creation" => "created"}} = Sync.trial_to_mlflow(id, name: name)
        assert {:ok, %{"requests" => 0}} = Sync.trial_to_mlflow(id, name: name)
        assert [run] = Tracking.runs(tracking)
        assert run["tags"]["thunderline_trial_id"] == "3"
        assert %{"blob" => _, "day" => "2024-01-01", "cost" => "12.50"} = run["params"]
        assert (run["end_time"] - run["start_time"]) in 12..13
      end

      test "is found by the number that is its trial's name", %{name: name} = context do
        id = odd!(code: 17)
        {:ok, %{"mlflow_run_id" => run_id}} = Sync.trial_to_mlflow(id, name: name)
        TestRepo.delete_all(from(r in "mlflow_runs"), prefix: "odd")

        assert {:ok, [{nil, %{id: ^id}, _}]} =
                 context.store.local_sides(context.instance, [{run_id, "17"}])
      end

      test "is not found by what is no number of its own", %{name: name} do
        for id <- ["99999999999999999999999999", "a\0b", "1.5", ""],
            do: assert({:error, %{kind: :not_found}} = Sync.trial_to_mlflow(id, name: name))
      end

      test "takes points of a trial that cannot be read", %{name: name} do
        id = odd!(status: "whatever")
        assert {:error, %{kind: :invalid}} = Sync.trial_to_mlflow(id, name: name)
        assert :ok = Trials.log_metrics(id, %{loss: 1.0}, name: name)
      end
    end
  end
end
