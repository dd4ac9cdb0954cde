if Code.ensure_loaded?(AshPostgres) and Code.ensure_loaded?(MLflow.Migration) do
  defmodule MLflow.Ash.MigrationTest do
    @moduledoc """
    What AshPostgres would make of the resources is what `MLflow.Migration` made: a host that generates its
    migrations from snapshots gets no other tables.
    """
    use ExUnit.Case, async: false

    alias MLflow.TestRepo

    @moduletag ash: true, postgres: true
    @tables ~w(mlflow_experiments mlflow_runs mlflow_points mlflow_sync_attempts mlflow_sync_conflicts)
    @schema "by_ash"

    setup_all do
      folder =
        Path.join(System.tmp_dir!(), "mlflow_sync_ash_#{System.unique_integer([:positive])}")

      on_exit(fn -> File.rm_rf!(folder) end)
      generate(folder)
      TestRepo.query!("CREATE SCHEMA #{@schema}")
      on_exit(fn -> TestRepo.query!("DROP SCHEMA #{@schema} CASCADE") end)
      run_in_schema(folder)
      :ok
    end

    defp generate(folder) do
      shell = Mix.shell()
      Mix.shell(Mix.Shell.Quiet)

      AshPostgres.MigrationGenerator.generate(MLflow.AshHost.Postgres,
        name: "add_mlflow",
        quiet: true,
        format: false,
        snapshot_path: Path.join(folder, "snapshots"),
        migration_path: Path.join(folder, "migrations"),
        tenant_migration_path: Path.join(folder, "tenant_migrations")
      )

      Mix.shell(shell)
    end

    # Ash's own functions stay out: they are the database's, and not the tables'.
    defp run_in_schema(folder) do
      for file <- Path.wildcard(folder <> "/**/*add_mlflow*.exs"),
          file not in Path.wildcard(folder <> "/**/*extensions*.exs") do
        [{migration, _} | _] = Code.compile_file(file)
        opts = [prefix: @schema, log: false]
        Ecto.Migrator.up(TestRepo, 20_260_101_000_043, migration, opts)
      end
    end

    for table <- @tables do
      @table table

      test "#{table}: columns" do
        assert columns(@schema, @table) == columns("public", @table)
        assert columns("public", @table) != []
      end

      test "#{table}: indexes" do
        assert indexes(@schema, @table) == indexes("public", @table)
      end

      test "#{table}: references" do
        assert references(@schema, @table) == references("public", @table)
      end
    end

    defp columns(schema, table) do
      TestRepo.query!(
        """
        SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns
        WHERE table_schema = $1 AND table_name = $2 ORDER BY column_name
        """,
        [schema, table]
      ).rows
      |> Enum.map(fn row -> Enum.map(row, &unqualified(&1, schema)) end)
    end

    defp indexes(schema, table) do
      TestRepo.query!(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = $1 AND tablename = $2 ORDER BY 1",
        [schema, table]
      ).rows
      |> Enum.map(fn row -> Enum.map(row, &unqualified(&1, schema)) end)
    end

    defp references(schema, table) do
      TestRepo.query!(
        """
        SELECT c.conname, pg_get_constraintdef(c.oid) FROM pg_constraint c
        JOIN pg_class t ON t.oid = c.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
        WHERE n.nspname = $1 AND t.relname = $2 AND c.contype = 'f' ORDER BY 1
        """,
        [schema, table]
      ).rows
      |> Enum.map(fn row -> Enum.map(row, &unqualified(&1, schema)) end)
    end

    defp unqualified(nil, _schema), do: nil

    defp unqualified(text, schema),
      do: text |> String.replace("#{schema}.", "") |> String.replace("public.", "")
  end
end
