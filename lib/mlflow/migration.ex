if Code.ensure_loaded?(Ecto.Migration) do
  defmodule MLflow.Migration do
    @moduledoc """
    Creates, upgrades and drops the tables that `MLflow.Store.Ecto` and `MLflow.Store.Ash` keep runs in.

    `mix mlflow.gen.migration` writes the migration; by hand it is

        defmodule MyApp.Repo.Migrations.AddMlflowTables do
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

    Versions are numbered as Oban's are: a later release of this library that needs another column
    brings a version 2, and a second migration in which `up(version: 2)` adds just that. `up/1` changes
    nothing where the version is there already.

    Tables `mlflow_experiments` and `mlflow_runs` that a host has already, such as those of Thunderline's
    migration `20251007111419`, are upgraded in place: missing columns and indexes are added, columns that
    a run may not have yet take nulls, and no row is lost. Where several runs were linked to one trial, the
    link stays with the run that the trial names, or else with the one that was written last. `down/1`
    takes away again what was added, and leaves such tables standing.

    | table | what is in it |
    |---|---|
    | `mlflow_experiments` | experiments as they were last seen on the server |
    | `mlflow_runs` | runs likewise, the trial that each belongs to, and what both agreed on last |
    | `mlflow_points` | every point of their metrics |
    | `mlflow_sync_attempts`, `mlflow_sync_conflicts` | what `MLflow.history/1` and `MLflow.conflicts/1` list |

    It needs PostgreSQL 13 or newer.

    ## Options

      * `version:` - the version to go to (up: the newest; down: the first, so that nothing is left)
      * `prefix:` - the PostgreSQL schema that the tables are in
      * `trials:`, `model_runs:` - the host's tables, to which foreign keys lead where they are named. A
        deleted trial leaves its run's record behind
      * `host_prefix:` - the schema that those are in, where it is not the one in the search path
      * `key_type:` - `:uuid` (the default), `:bigint` or `:text`: the type of the host's keys
    """

    import Ecto.Migration, only: [direction: 0, execute: 1, flush: 0, prefix: 0, repo: 0]

    alias MLflow.Migration.V1

    @versions %{1 => V1}
    @current 1
    @options [:version, :prefix, :trials, :model_runs, :host_prefix, :key_type]
    @key_types [:uuid, :bigint, :text]

    @type opts :: [
            version: pos_integer,
            prefix: String.t(),
            trials: String.t(),
            model_runs: String.t(),
            host_prefix: String.t(),
            key_type: :uuid | :bigint | :text
          ]

    @doc "The newest version there is."
    @spec current_version() :: pos_integer
    def current_version, do: @current

    @doc "Creates the tables, or brings those that are there to a version."
    @spec up(opts) :: :ok
    def up(opts \\ []) do
      settings = settings(opts, @current)
      installed = migrated_version(prefix: settings.prefix)

      for version <- steps(installed + 1, settings.version) do
        @versions[version].up(settings)
        note_version(settings, version)
      end

      flush()
    end

    @doc "Undoes versions down to the given one, which is undone as well."
    @spec down(opts) :: :ok
    def down(opts \\ []) do
      settings = settings(opts, 1)
      installed = migrated_version(prefix: settings.prefix)

      for version <- Enum.reverse(steps(settings.version, installed)) do
        @versions[version].down(settings)
        if version > 1, do: note_version(settings, version - 1)
      end

      flush()
    end

    @doc "The version that is installed; 0 where there is none. Options: `prefix:`, `repo:`."
    @spec migrated_version(keyword) :: non_neg_integer
    def migrated_version(opts \\ []) do
      repo = opts[:repo] || running_repo()

      sql = "SELECT obj_description(to_regclass($1), 'pg_class')"

      case repo.query!(sql, [V1.table("mlflow_points", opts[:prefix])], log: false) do
        %{rows: [["mlflow_sync " <> version]]} -> version |> Integer.parse() |> elem(0)
        _ -> 0
      end
    end

    # What the migration did before must be there to be looked at.
    defp running_repo do
      flush()
      repo()
    end

    defp steps(first, last) when first <= last, do: Enum.to_list(first..last)
    defp steps(_first, _last), do: []

    # On a table that is ours alone: hosts may have comments on the others.
    defp note_version(settings, version) do
      table = V1.table("mlflow_points", settings.prefix)
      execute("COMMENT ON TABLE #{table} IS 'mlflow_sync #{version}'")
    end

    defp settings(opts, version) do
      Enum.each(Keyword.keys(opts), &check_option!/1)
      check_postgres!()

      settings =
        Map.merge(
          %{
            version: version,
            prefix: prefix(),
            trials: nil,
            model_runs: nil,
            host_prefix: nil,
            key_type: :uuid
          },
          Map.new(opts)
        )

      is_map_key(@versions, settings.version) ||
        raise ArgumentError,
              "MLflow.Migration has the versions 1 to #{@current}, got #{inspect(settings.version)}; " <>
                "a newer one needs a newer mlflow_sync"

      settings.key_type in @key_types ||
        raise ArgumentError,
              "key_type: is one of #{inspect(@key_types)}, got #{inspect(settings.key_type)}"

      for option <- [:prefix, :trials, :model_runs, :host_prefix] do
        check_name!(option, settings[option])
      end

      settings
    end

    defp check_option!(option) do
      option in @options ||
        raise ArgumentError,
              "unknown option #{inspect(option)} for MLflow.Migration; did you mean " <>
                "#{inspect(Enum.max_by(@options, &String.jaro_distance("#{&1}", "#{option}")))}?"
    end

    defp check_name!(_option, nil), do: :ok

    defp check_name!(option, name) do
      (is_binary(name) and name =~ ~r/^[^"'\0]+$/) ||
        raise ArgumentError,
              "#{option}: is the name of a PostgreSQL #{kind(option)} as a string, got #{inspect(name)}"
    end

    defp kind(option) when option in [:prefix, :host_prefix], do: "schema"
    defp kind(_option), do: "table"

    defp check_postgres! do
      repo().__adapter__() == Ecto.Adapters.Postgres ||
        raise ArgumentError,
              "MLflow.Migration needs a repo on PostgreSQL, and #{inspect(repo())} uses " <>
                "#{inspect(repo().__adapter__())}"
    end
  end
end
