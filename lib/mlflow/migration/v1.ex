if Code.ensure_loaded?(Ecto.Migration) do
  defmodule MLflow.Migration.V1 do
    @moduledoc false
    # The first tables. What a host made before us is added to, never made anew: which columns were added
    # is kept in a comment, so that `down/1` takes away those and no others.

    import Ecto.Migration, only: [execute: 1, repo: 0]

    @now "timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc')"
    @timestamps [{"inserted_at", @now}, {"updated_at", @now}]

    @experiments [
      {"mlflow_experiment_id", "text NOT NULL"},
      {"name", "text"},
      {"artifact_location", "text"},
      {"lifecycle_stage", "text"},
      {"tags", "jsonb"},
      {"model_run_id", :key},
      {"synced_at", "timestamp"}
    ]

    @runs [
      {"mlflow_run_id", "text"},
      {"mlflow_experiment_id", "text"},
      {"run_name", "text"},
      {"status", "text"},
      {"start_time", "bigint"},
      {"end_time", "bigint"},
      {"artifact_uri", "text"},
      {"lifecycle_stage", "text"},
      {"params", "jsonb"},
      {"metrics", "jsonb"},
      {"tags", "jsonb"},
      {"model_trial_id", :key},
      {"model_run_id", :key},
      {"base", "text"},
      {"digest", "bigint"},
      {"points_seq", "bigint"},
      {"recorded_seq", "bigint NOT NULL DEFAULT 0"},
      {"local_seq", "bigint NOT NULL DEFAULT 0"},
      {"latest", "jsonb NOT NULL DEFAULT '{}'"},
      {"reported", "jsonb NOT NULL DEFAULT '{}'"},
      {"claimed_by", "text"},
      {"claimed_until", "bigint"},
      {"sync_error", "jsonb"},
      {"synced_at", "timestamp"}
    ]

    @mark "columns added to the host's tables: "

    @doc "A table's name as it stands in SQL."
    def table(name, nil), do: ~s("#{name}")
    def table(name, prefix), do: ~s("#{prefix}"."#{name}")

    def up(settings) do
      if settings.prefix, do: execute(~s(CREATE SCHEMA IF NOT EXISTS "#{settings.prefix}"))
      added = added("mlflow_experiments", @experiments, settings)
      added = added ++ added("mlflow_runs", @runs, settings)

      create_rows("mlflow_experiments", @experiments, settings)
      create_rows("mlflow_runs", @runs, settings)
      make_room(settings)
      index_rows(settings)
      create_points(settings)
      create_history(settings)
      refer_to_host(settings)
      if added != [], do: note_added(added, settings)
    end

    def down(settings) do
      added = noted(settings)

      for name <- ~w(mlflow_points mlflow_sync_conflicts mlflow_sync_attempts),
          do: drop_table(name, settings)

      if added == [],
        do: for(name <- ~w(mlflow_runs mlflow_experiments), do: drop_table(name, settings)),
        else: give_back(added, settings)
    end

    # -- tables

    defp create_rows(name, columns, settings) do
      execute("""
      CREATE TABLE IF NOT EXISTS #{table(name, settings.prefix)}
        (id uuid PRIMARY KEY DEFAULT gen_random_uuid())
      """)

      for {column, type} <- columns ++ @timestamps do
        execute("""
        ALTER TABLE #{table(name, settings.prefix)}
          ADD COLUMN IF NOT EXISTS #{column} #{type(type, settings)}
        """)
      end
    end

    defp create_points(settings) do
      execute("""
      CREATE TABLE IF NOT EXISTS #{table("mlflow_points", settings.prefix)} (
        run_record_id uuid NOT NULL
          REFERENCES #{table("mlflow_runs", settings.prefix)} (id) ON DELETE CASCADE,
        seq bigint NOT NULL,
        key text NOT NULL,
        value float8 NOT NULL,
        is_nan boolean NOT NULL,
        step bigint NOT NULL,
        "timestamp" bigint NOT NULL,
        remote boolean NOT NULL,
        PRIMARY KEY (run_record_id, seq))
      """)

      # A point's identity is MLflow's own primary key of a metric row.
      create_index(
        "mlflow_points",
        "identity",
        "run_record_id, key, step, \"timestamp\", value, is_nan",
        unique: true,
        in: settings
      )

      create_index("mlflow_points", "unsent", "run_record_id, seq",
        where: "NOT remote",
        in: settings
      )
    end

    defp create_history(settings) do
      execute("""
      CREATE TABLE IF NOT EXISTS #{table("mlflow_sync_attempts", settings.prefix)} (
        id bigserial PRIMARY KEY,
        instance text NOT NULL,
        action text NOT NULL,
        target text NOT NULL,
        direction text NOT NULL,
        result text NOT NULL,
        mlflow_run_id text,
        model_trial_id text,
        mlflow_experiment_id text,
        pushed bigint NOT NULL DEFAULT 0,
        pulled bigint NOT NULL DEFAULT 0,
        conflicts bigint NOT NULL DEFAULT 0,
        requests bigint NOT NULL DEFAULT 0,
        writes bigint NOT NULL DEFAULT 0,
        counts jsonb,
        error jsonb,
        started_at timestamp NOT NULL,
        duration_ms bigint NOT NULL)
      """)

      execute("""
      CREATE TABLE IF NOT EXISTS #{table("mlflow_sync_conflicts", settings.prefix)} (
        id bigserial PRIMARY KEY,
        attempt_id bigint NOT NULL
          REFERENCES #{table("mlflow_sync_attempts", settings.prefix)} (id) ON DELETE CASCADE,
        instance text NOT NULL,
        mlflow_run_id text,
        model_trial_id text,
        field text NOT NULL,
        key text,
        local text,
        remote text,
        winner text NOT NULL,
        at timestamp NOT NULL)
      """)

      for {name, suffix, columns} <- [
            {"mlflow_sync_attempts", "newest", "instance, started_at, id"},
            {"mlflow_sync_attempts", "target", "instance, target"},
            {"mlflow_sync_attempts", "trial", "instance, model_trial_id"},
            {"mlflow_sync_attempts", "run", "instance, mlflow_run_id"},
            {"mlflow_sync_conflicts", "attempt", "attempt_id"},
            {"mlflow_sync_conflicts", "newest", "instance, at, id"},
            {"mlflow_sync_conflicts", "trial", "instance, model_trial_id"},
            {"mlflow_sync_conflicts", "run", "instance, mlflow_run_id"}
          ],
          do: create_index(name, suffix, columns, in: settings)
    end

    # -- what a host's own tables need beyond columns

    defp make_room(settings) do
      runs = table("mlflow_runs", settings.prefix)

      # The row of a trial is there before its run is, and a run may be known before its experiment.
      for {column, _type} <- @runs,
          column not in ~w(recorded_seq local_seq latest reported),
          do: execute("ALTER TABLE #{runs} ALTER COLUMN #{column} DROP NOT NULL")

      drop_foreign_keys("mlflow_runs", "mlflow_experiment_id", settings)

      for name <- ~w(mlflow_experiments mlflow_runs) do
        execute(
          "ALTER TABLE #{table(name, settings.prefix)} ALTER COLUMN id SET DEFAULT gen_random_uuid()"
        )

        # A change within the same second is a change.
        for column <- ~w(synced_at inserted_at updated_at),
            do: to_microseconds(name, column, settings)
      end

      one_run_per_trial(settings)
    end

    defp to_microseconds(name, column, settings) do
      execute("""
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = #{regclass(name, settings)}
                   AND attname = '#{column}' AND format_type(atttypid, atttypmod) = 'timestamp(0) without time zone')
        THEN ALTER TABLE #{table(name, settings.prefix)} ALTER COLUMN #{column} TYPE timestamp;
        END IF;
      END $$
      """)
    end

    defp one_run_per_trial(settings) do
      {join, named} =
        if settings.trials &&
             ["id", "mlflow_run_id"] -- columns(settings.trials, settings.host_prefix) == [] do
          join = "LEFT JOIN #{host_table(settings.trials, settings)} t ON t.id = r.model_trial_id"
          {join, "(t.mlflow_run_id IS NOT DISTINCT FROM r.mlflow_run_id) DESC, "}
        else
          {"", ""}
        end

      execute("""
      UPDATE #{table("mlflow_runs", settings.prefix)} SET model_trial_id = NULL WHERE id IN (
        SELECT id FROM (
          SELECT r.id, row_number() OVER (
            PARTITION BY r.model_trial_id ORDER BY #{named}r.updated_at DESC, r.id) AS place
          FROM #{table("mlflow_runs", settings.prefix)} r #{join}
          WHERE r.model_trial_id IS NOT NULL) AS linked
        WHERE place > 1)
      """)
    end

    defp index_rows(settings) do
      unique_column("mlflow_experiments", "mlflow_experiment_id", settings)
      unique_column("mlflow_runs", "mlflow_run_id", settings)
      unique_column("mlflow_runs", "model_trial_id", settings)
      create_index("mlflow_experiments", "by_name", "name", in: settings)
      create_index("mlflow_runs", "by_experiment", "mlflow_experiment_id", in: settings)
    end

    # A host's table may have such an index under a name of its own.
    defp unique_column(name, column, settings) do
      execute("""
      DO $$ BEGIN
        IF NOT EXISTS (
          SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
          WHERE i.indrelid = #{regclass(name, settings)} AND i.indisunique AND i.indnkeyatts = 1
            AND i.indpred IS NULL AND a.attname = '#{column}')
        THEN CREATE UNIQUE INDEX #{name}_unique_#{column}_index
          ON #{table(name, settings.prefix)} (#{column});
        END IF;
      END $$
      """)
    end

    # Whoever deletes a trial or a search leaves behind what is known of its runs, which are still on the
    # server.
    defp refer_to_host(settings) do
      for {host, name, column} <- [
            {settings.trials, "mlflow_runs", "model_trial_id"},
            {settings.model_runs, "mlflow_runs", "model_run_id"},
            {settings.model_runs, "mlflow_experiments", "model_run_id"}
          ],
          host != nil do
        drop_foreign_keys(name, column, settings)

        execute("""
        ALTER TABLE #{table(name, settings.prefix)} ADD CONSTRAINT #{name}_#{column}_fkey
          FOREIGN KEY (#{column}) REFERENCES #{host_table(host, settings)} ON DELETE SET NULL
        """)
      end
    end

    # -- down, where the host's own tables stay

    defp give_back(added, settings) do
      runs = table("mlflow_runs", settings.prefix)
      execute("DELETE FROM #{runs} WHERE mlflow_run_id IS NULL")
      execute("ALTER TABLE #{runs} ALTER COLUMN mlflow_run_id SET NOT NULL")

      execute(
        "DROP INDEX IF EXISTS #{table("mlflow_runs_unique_model_trial_id_index", settings.prefix)}"
      )

      for {name, column} <- added do
        execute("ALTER TABLE #{table(name, settings.prefix)} DROP COLUMN IF EXISTS #{column}")
      end

      # Runs that came meanwhile may be of experiments that did not.
      execute("""
      ALTER TABLE #{runs} ADD CONSTRAINT mlflow_runs_mlflow_experiment_id_fkey
        FOREIGN KEY (mlflow_experiment_id)
        REFERENCES #{table("mlflow_experiments", settings.prefix)} (mlflow_experiment_id) NOT VALID
      """)
    end

    # The columns that a table of the host's has not; none where the table will be ours.
    defp added(name, columns, settings) do
      if columns(name, settings.prefix) == [],
        do: [],
        else:
          for(
            {column, _} <- columns,
            column not in columns(name, settings.prefix),
            do: {name, column}
          )
    end

    defp note_added(added, settings) do
      text = Enum.map_join(added, " ", fn {name, column} -> "#{name}.#{column}" end)

      execute(
        "COMMENT ON TABLE #{table("mlflow_sync_attempts", settings.prefix)} IS '#{literal(@mark <> text)}'"
      )
    end

    defp noted(settings) do
      sql = "SELECT obj_description(to_regclass($1), 'pg_class')"

      case query!(sql, [table("mlflow_sync_attempts", settings.prefix)]) do
        [[@mark <> text]] ->
          for pair <- String.split(text), do: pair |> String.split(".") |> List.to_tuple()

        _ ->
          []
      end
    end

    # -- pieces of SQL

    defp drop_table(name, settings),
      do: execute("DROP TABLE IF EXISTS #{table(name, settings.prefix)}")

    defp create_index(name, suffix, columns, opts) do
      unique = if opts[:unique], do: "UNIQUE "
      where = if opts[:where], do: " WHERE #{opts[:where]}"

      execute("""
      CREATE #{unique}INDEX IF NOT EXISTS #{name}_#{suffix}_index
        ON #{table(name, opts[:in].prefix)} (#{columns})#{where}
      """)
    end

    defp drop_foreign_keys(name, column, settings) do
      execute("""
      DO $$ DECLARE found name; BEGIN
        FOR found IN
          SELECT c.conname FROM pg_constraint c
          JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
          WHERE c.contype = 'f' AND c.conrelid = #{regclass(name, settings)} AND a.attname = '#{column}'
        LOOP
          EXECUTE format('ALTER TABLE #{table(name, settings.prefix)} DROP CONSTRAINT %I', found);
        END LOOP;
      END $$
      """)
    end

    defp columns(name, prefix) do
      sql = """
      SELECT attname FROM pg_attribute
      WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
      """

      sql |> query!([table(name, prefix)]) |> List.flatten()
    end

    defp query!(sql, values), do: repo().query!(sql, values, log: false).rows

    defp regclass(name, settings), do: "'#{literal(table(name, settings.prefix))}'::regclass"
    defp literal(text), do: String.replace(text, "'", "''")

    defp host_table(name, settings), do: table(name, settings.host_prefix)

    defp type(:key, settings), do: Atom.to_string(settings.key_type)
    defp type(type, _settings), do: type
  end
end
