if Code.ensure_loaded?(MLflow.Migration) do
  defmodule MLflow.MigrationTest do
    use MLflow.Case, async: false

    alias MLflow.{HostWorld, Migration, Postgres, ScriptedServer, Sync, TestRepo, Tracking}

    @moduletag :ecto
    @moduletag :postgres

    @ours ~w(mlflow_experiments mlflow_points mlflow_runs mlflow_sync_attempts mlflow_sync_conflicts)

    defmodule InSchema do
      use Ecto.Migration
      @options [prefix: "elsewhere", key_type: :bigint]
      def up, do: MLflow.Migration.up([version: 1] ++ @options)
      def down, do: MLflow.Migration.down(prefix: "elsewhere")
    end

    defmodule Mistaken do
      use Ecto.Migration
      def up, do: MLflow.Migration.up(trails: "cerebros_model_trials")
    end

    defmodule TooNew do
      use Ecto.Migration
      def up, do: MLflow.Migration.up(version: 99)
    end

    # The tables that the other tests use are away, and come back.
    defp without_tables(_context) do
      Postgres.rollback(2, Postgres.OurTables)

      on_exit(fn ->
        for table <- @ours, do: TestRepo.query!("DROP TABLE IF EXISTS #{table} CASCADE")
        TestRepo.query!("DROP SCHEMA IF EXISTS elsewhere CASCADE")
        TestRepo.query!("DELETE FROM schema_migrations WHERE version IN (2, 3, 4)")
        TestRepo.query!("TRUNCATE cerebros_model_trials, cerebros_model_runs CASCADE")
        Postgres.migrate(2, Postgres.OurTables)
      end)
    end

    defp tables(schema \\ "public") do
      sql =
        "SELECT tablename FROM pg_tables WHERE schemaname = $1 AND tablename LIKE 'mlflow%' ORDER BY 1"

      List.flatten(TestRepo.query!(sql, [schema]).rows)
    end

    defp columns(table) do
      sql = "SELECT column_name FROM information_schema.columns WHERE table_name = $1 ORDER BY 1"
      List.flatten(TestRepo.query!(sql, [table]).rows)
    end

    describe "on an empty database" do
      setup :without_tables

      test "up makes the tables, is content with them, and down takes them away" do
        assert tables() == []
        assert Migration.migrated_version(repo: TestRepo) == 0
        Postgres.migrate(3, Postgres.OurTables)
        assert tables() == @ours
        assert Migration.migrated_version(repo: TestRepo) == 1
        Postgres.migrate(4, Postgres.OurTables)
        Postgres.rollback(4, Postgres.OurTables)
        assert tables() == []
        assert Migration.migrated_version(repo: TestRepo) == 0
      end

      test "in a schema of their own, with keys of another type" do
        Postgres.migrate(3, InSchema)
        assert tables("elsewhere") == @ours
        assert tables() == []
        assert Migration.migrated_version(repo: TestRepo, prefix: "elsewhere") == 1
        Postgres.rollback(3, InSchema)
        assert tables("elsewhere") == []
      end

      test "a mistake names the right option" do
        assert_raise ArgumentError, ~r/did you mean :trials/, fn ->
          Postgres.migrate(3, Mistaken)
        end

        assert_raise ArgumentError, ~r/newer mlflow_sync/, fn -> Postgres.migrate(3, TooNew) end
      end
    end

    describe "on Thunderline's own tables" do
      setup [:without_tables, :thunderline_tables]

      defp thunderline_tables(_context) do
        TestRepo.query!("TRUNCATE cerebros_model_trials CASCADE")
        Postgres.migrate(3, MLflow.ThunderlineMigration)

        [t1, t2] =
          for n <- 1..2, do: HostWorld.create!(nil, trial_id: "t#{n}", status: :succeeded)

        HostWorld.update!(nil, "t1", mlflow_run_id: "00000000000000000000000000000001")

        TestRepo.query!("""
        INSERT INTO mlflow_experiments (id, mlflow_experiment_id, name, inserted_at, updated_at)
        VALUES (gen_random_uuid(), '1', 'trials', now(), now())
        """)

        # A run that was linked by hand to a trial which has another, and one of no trial.
        for {n, trial, later} <- [{1, t1, 0}, {2, t1, 60}, {3, t2, 0}, {4, nil, 0}] do
          TestRepo.query!(
            """
            INSERT INTO mlflow_runs (id, mlflow_run_id, mlflow_experiment_id, run_name, status, params,
              model_trial_id, synced_at, inserted_at, updated_at)
            VALUES (gen_random_uuid(), $1, '1', $1, 'finished', '{"lr": "0.1"}', $2, now(), now(),
              now() + make_interval(secs => $3))
            """,
            [run_id(n), trial && Ecto.UUID.dump!(trial.id), later * 1.0]
          )
        end

        :ok
      end

      defp run_id(n), do: String.pad_leading("#{n}", 32, "0")

      defp runs do
        sql = """
        SELECT r.mlflow_run_id, t.trial_id, r.status, r.params FROM mlflow_runs r
        LEFT JOIN cerebros_model_trials t ON t.id = r.model_trial_id
        WHERE r.mlflow_run_id IS NOT NULL ORDER BY 1
        """

        TestRepo.query!(sql).rows
      end

      test "every row is kept, and a trial keeps the run that it names" do
        before = columns("mlflow_runs")
        Postgres.migrate(4, Postgres.OurTables)
        params = %{"lr" => "0.1"}

        assert runs() == [
                 [run_id(1), "t1", "finished", params],
                 [run_id(2), nil, "finished", params],
                 [run_id(3), "t2", "finished", params],
                 [run_id(4), nil, "finished", params]
               ]

        Postgres.rollback(4, Postgres.OurTables)
        assert tables() == ["mlflow_experiments", "mlflow_runs"]
        assert columns("mlflow_runs") == before
        assert length(runs()) == 4

        assert_raise Postgrex.Error, ~r/not-null/, fn ->
          TestRepo.query!("UPDATE mlflow_runs SET mlflow_run_id = NULL")
        end
      end

      test "a sync over them works" do
        Postgres.migrate(4, Postgres.OurTables)
        {server, tracking} = start_tracking()
        experiment = Tracking.add_experiment(tracking, "trials")

        for _ <- 1..4,
            do:
              Tracking.add_run(tracking, experiment, %{
                "params" => %{"lr" => "0.1"},
                "status" => "FINISHED"
              })

        HostWorld.create!(nil, trial_id: "t3", status: :succeeded, metrics: %{"loss" => 0.5})

        name =
          start_instance(
            tracking_uri: ScriptedServer.uri(server),
            experiment_id: experiment,
            queue: MLflow.NoQueue,
            store: {MLflow.Store.Ecto, HostWorld.store_options()}
          )

        assert {:ok, %{"failed" => [], "runs" => 5}} = Sync.experiment(experiment, name: name)
        assert length(Tracking.runs(tracking)) == 5

        assert ["t1", "t2", "t3"] =
                 runs() |> Enum.map(&Enum.at(&1, 1)) |> Enum.filter(& &1) |> Enum.sort()

        assert {:ok, %{"unchanged" => 5}} = unchanged(name, experiment)
      end

      # A trial that was written this very moment is looked at once more.
      defp unchanged(name, experiment) do
        HostWorld.age!(name)
        {:ok, _} = Sync.experiment(experiment, name: name)
        Sync.experiment(experiment, name: name)
      end
    end

    test "names that are no names are refused" do
      error =
        assert_raise ArgumentError, fn -> Postgres.migrate(3, MLflow.MigrationTest.BadName) end

      assert error.message =~ "prefix:"
    end

    defmodule BadName do
      use Ecto.Migration
      def up, do: MLflow.Migration.up(prefix: ~s(a"; DROP TABLE mlflow_runs; --))
    end
  end
end
