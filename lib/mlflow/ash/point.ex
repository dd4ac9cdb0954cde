if Code.ensure_loaded?(Ash.Resource) do
  defmodule MLflow.Ash.Point do
    @moduledoc """
    The host's own Ash resource for the points of its runs' metrics.

        defmodule MyApp.MLflow.Point do
          use MLflow.Ash.Point,
            domain: MyApp.Tracking,
            repo: MyApp.Repo,
            run: MyApp.MLflow.Run
        end

    A point is found by its key, step, timestamp (ms since the epoch) and value, as on the server, so
    that none is kept twice. `seq` is its place in what was recorded of the run; `remote` tells those that
    came from the server. `is_nan` stands for a value that no database column has.

    ## Options

      * `domain:` - the domain, which lists the resource like any other
      * `repo:` - the repo, for AshPostgres; without one, name a `data_layer:`
      * `run:` - the resource with `use MLflow.Ash.Run`
      * `table:`, `schema:` - where `mlflow_points` is called otherwise
      * all others are those of `use Ash.Resource`: `authorizers:`, `notifiers:`, `extensions:`, …

    Actions: `read`, `create`, `sync` (the store's own) and `destroy`.
    """

    alias MLflow.Ash.Declaration

    @written [:run_record_id, :seq, :key, :value, :is_nan, :step, :timestamp, :remote]

    @doc false
    defmacro __using__(opts) do
      {mine, theirs, data_layer} = Declaration.split(opts, [:run], "mlflow_points", __CALLER__)

      mine.run ||
        raise ArgumentError,
              "use MLflow.Ash.Point needs the resource of the runs: give run: MyApp.MLflow.Run"

      quote do
        use Ash.Resource, unquote(theirs)

        attributes do
          attribute(:run_record_id, :uuid, primary_key?: true, allow_nil?: false, public?: true)
          attribute(:seq, :integer, primary_key?: true, allow_nil?: false, public?: true)

          attribute(:key, :string,
            allow_nil?: false,
            public?: true,
            constraints: unquote(Declaration.text())
          )

          attribute(:value, :float, allow_nil?: false, public?: true)
          attribute(:is_nan, :boolean, allow_nil?: false, public?: true)
          attribute(:step, :integer, allow_nil?: false, public?: true)
          attribute(:timestamp, :integer, allow_nil?: false, public?: true)
          attribute(:remote, :boolean, allow_nil?: false, public?: true)
        end

        relationships do
          belongs_to :run, unquote(mine.run) do
            source_attribute(:run_record_id)
            define_attribute?(false)
            public?(true)
          end
        end

        identities do
          identity(:identity, [:run_record_id, :key, :step, :timestamp, :value, :is_nan],
            pre_check_with: unquote(Declaration.checked_by(data_layer, theirs))
          )
        end

        unquote(Declaration.actions_of_the_store(@written))

        unquote(Declaration.postgres(mine, postgres(mine)))
      end
    end

    defp postgres(mine) do
      quote do
        postgres do
          custom_indexes do
            index([:run_record_id, :seq],
              name: unquote("#{mine.table}_unsent_index"),
              where: "NOT remote"
            )
          end

          references do
            reference(:run, on_delete: :delete)
          end
        end
      end
    end
  end
end
