if Code.ensure_loaded?(Ecto.Adapters.Postgres) do
  if Code.ensure_loaded?(AshPostgres.Repo) do
    defmodule MLflow.TestRepo do
      @moduledoc "The repo of a host application, on a real PostgreSQL."
      use AshPostgres.Repo, otp_app: :mlflow_sync_host
      def installed_extensions, do: ["ash-functions"]
      def min_pg_version, do: %Version{major: 13, minor: 0, patch: 0}
    end
  else
    defmodule MLflow.TestRepo do
      @moduledoc "The repo of a host application, on a real PostgreSQL."
      use Ecto.Repo, otp_app: :mlflow_sync_host, adapter: Ecto.Adapters.Postgres
    end
  end

  defmodule MLflow.Postgres.OurTables do
    @moduledoc "The migration of a host, as `mix mlflow.gen.migration` writes it."
    use Ecto.Migration

    def up do
      MLflow.Migration.up(
        version: 1,
        trials: "cerebros_model_trials",
        model_runs: "cerebros_model_runs"
      )
    end

    def down, do: MLflow.Migration.down(version: 1)
  end

  defmodule MLflow.Postgres do
    @moduledoc """
    A database of its own for a test run, with a host application's tables in it.

    `MLFLOW_TEST_DATABASE_URL` names a server and a user that may create databases, such as
    `postgres://postgres@127.0.0.1:5432/postgres`. What is tested commits for real and works in many
    processes, so there is no sandbox: tests that use it are not async, and begin with `clean!/0`.
    """

    alias MLflow.TestRepo

    @tables ~w(cerebros_model_trials cerebros_model_runs mlflow_experiments mlflow_runs
               mlflow_sync_attempts)

    @doc "The server's address, or `nil` where none was given."
    def url, do: System.get_env("MLFLOW_TEST_DATABASE_URL")

    @doc "Creates the database and starts the repo; the database is dropped when the VM ends."
    def start! do
      # Oban's notifier reads the repo's configuration, so it stands in the application environment: in
      # that of a host, for what stands in ours are settings of the default instance.
      config = [url: url_of(database()), pool_size: 20, log: false]
      Application.put_env(:mlflow_sync_host, TestRepo, config)
      TestRepo.__adapter__().storage_up(TestRepo.config())
      # None of them is started for us: they are optional.
      for app <- [:postgrex, :ecto_sql] ++ oban(),
          do: {:ok, _} = Application.ensure_all_started(app)

      {:ok, pid} = TestRepo.start_link()
      Process.unlink(pid)
      create_host_tables()
      create_oban_table()
      migrate(2, MLflow.Postgres.OurTables)
      System.at_exit(fn _ -> drop(pid) end)
    end

    # What the address names wins over what is said beside it.
    defp url_of(database), do: URI.to_string(%{URI.parse(url()) | path: "/" <> database})

    defp database, do: "mlflow_sync_test_#{System.pid()}_#{System.os_time(:second)}"

    defp drop(pid) do
      Supervisor.stop(pid)
      TestRepo.__adapter__().storage_down(TestRepo.config())
    end

    @doc "Empties every table."
    def clean!(tables \\ @tables) do
      for table <- tables, do: TestRepo.query!("TRUNCATE #{table} CASCADE")
      :ok
    end

    @doc "Runs a migration as `mix ecto.migrate` does."
    def migrate(number, migration, opts \\ []),
      do: :ok = Ecto.Migrator.up(TestRepo, number, migration, [log: false] ++ opts)

    @doc "Undoes it."
    def rollback(number, migration, opts \\ []),
      do: :ok = Ecto.Migrator.down(TestRepo, number, migration, [log: false] ++ opts)

    if Code.ensure_loaded?(Oban) do
      defp oban, do: [:oban]

      defp create_oban_table,
        do: Ecto.Migrator.up(TestRepo, 1, MLflow.TestRepo.ObanMigration, log: false)
    else
      defp oban, do: []
      defp create_oban_table, do: :ok
    end

    # Thunderline's two tables, as its own migrations make them.
    defp create_host_tables do
      TestRepo.query!("""
      CREATE TABLE cerebros_model_runs (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(), run_id text NOT NULL UNIQUE,
        state text NOT NULL DEFAULT 'initialized', search_space_version bigint, max_params bigint,
        requested_trials bigint, completed_trials bigint, best_metric float8, error_message text,
        metadata jsonb DEFAULT '{}', bridge_payload jsonb DEFAULT '{}', bridge_result jsonb DEFAULT '{}',
        started_at timestamp, finished_at timestamp,
        inserted_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
        updated_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc'))
      """)

      TestRepo.query!("""
      CREATE TABLE cerebros_model_trials (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(), trial_id text NOT NULL UNIQUE,
        model_run_id uuid REFERENCES cerebros_model_runs (id) ON DELETE CASCADE,
        status text NOT NULL, metrics jsonb DEFAULT '{}', parameters jsonb DEFAULT '{}',
        spectral_norm boolean NOT NULL DEFAULT false, mlflow_run_id text, artifact_uri text,
        duration_ms bigint, rank bigint, warnings text[] DEFAULT '{}', candidate_id text,
        pulse_id text, bridge_payload jsonb DEFAULT '{}',
        inserted_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
        updated_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc'))
      """)
    end
  end
end
