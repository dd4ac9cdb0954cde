if Code.ensure_loaded?(Ash.Resource) do
  defmodule MLflow.Ash.Experiment do
    @moduledoc """
    The host's own Ash resource for the experiments that it knows of.

    A resource belongs to a domain and a repo, so it is the host that declares it; what it is made of
    comes from here.

        defmodule MyApp.MLflow.Experiment do
          use MLflow.Ash.Experiment,
            domain: MyApp.Tracking,
            repo: MyApp.Repo,
            model_run: MyApp.ModelRun,
            run: MyApp.MLflow.Run
        end

        {:ok, experiment} = MyApp.MLflow.Experiment.by_mlflow_id("42")

    ## Options

      * `domain:` - the domain, which lists the resource like any other
      * `repo:` - the repo, for AshPostgres; without one, name a `data_layer:`
      * `model_run:` - the resource of the host's searches, for the relationship `model_run`
      * `run:` - the resource with `use MLflow.Ash.Run`, for the relationship `runs`
      * `table:`, `schema:` - where `mlflow_experiments` is called otherwise
      * all others are those of `use Ash.Resource`: `authorizers:`, `notifiers:`, `extensions:`, …

    The module goes on as every resource does: attributes, policies, multitenancy and actions of the
    host's own stand below.

    | action | what it does |
    |---|---|
    | `read` | the primary one |
    | `by_mlflow_id` | the one with this id on the server |
    | `create` | adds one |
    | `upsert` | adds one, or updates that with the same `mlflow_experiment_id` |
    | `update_metadata` | changes what the server told |
    | `sync` | changes any column; the store's own |
    | `destroy` | |

    There is a function of the same name for each but `read`, and for `read` there is `list`.
    """

    alias MLflow.Ash.Declaration

    @metadata [:name, :artifact_location, :lifecycle_stage, :tags, :model_run_id, :synced_at]
    @written [:id, :mlflow_experiment_id, :inserted_at, :updated_at | @metadata]

    @doc false
    defmacro __using__(opts) do
      {mine, theirs, data_layer} =
        Declaration.split(opts, [:model_run, :run], "mlflow_experiments", __CALLER__)

      quote do
        use Ash.Resource, unquote(theirs)

        attributes do
          uuid_primary_key(:id, writable?: true)

          attribute(:mlflow_experiment_id, :string,
            allow_nil?: false,
            public?: true,
            constraints: unquote(Declaration.id())
          )

          attribute(:name, :string, public?: true, constraints: unquote(Declaration.text()))

          attribute(:artifact_location, :string,
            public?: true,
            constraints: unquote(Declaration.text())
          )

          attribute(:lifecycle_stage, :atom,
            public?: true,
            constraints: [one_of: [:active, :deleted]]
          )

          attribute(:tags, :map, public?: true)
          attribute(:synced_at, :utc_datetime_usec, public?: true)
          create_timestamp(:inserted_at, type: :utc_datetime_usec, writable?: true)
          update_timestamp(:updated_at, type: :utc_datetime_usec, writable?: true)
        end

        unquote(Declaration.bare_column(:model_run_id, mine.model_run))
        unquote(Declaration.belongs_to(:model_run, mine.model_run))

        unquote(
          Declaration.has_many(:runs, mine.run,
            source_attribute: :mlflow_experiment_id,
            destination_attribute: :mlflow_experiment_id,
            public?: true
          )
        )

        identities do
          identity(:unique_mlflow_experiment_id, [:mlflow_experiment_id],
            pre_check_with: unquote(Declaration.checked_by(data_layer, theirs))
          )
        end

        actions do
          defaults([:read, :destroy])

          read :by_mlflow_id do
            get?(true)
            argument(:mlflow_experiment_id, :string, allow_nil?: false)
            filter(expr(^ref(:mlflow_experiment_id) == ^arg(:mlflow_experiment_id)))
          end

          create :create do
            primary?(true)
            accept(unquote(@written))
          end

          create :upsert do
            accept(unquote([:mlflow_experiment_id | @metadata]))
            upsert?(true)
            upsert_identity(:unique_mlflow_experiment_id)
          end

          update :update_metadata do
            primary?(true)
            require_atomic?(false)
            accept(unquote(@metadata))
          end

          update :sync do
            require_atomic?(false)
            accept(unquote(@written -- [:id]))
          end
        end

        code_interface do
          define(:list, action: :read)
          define(:by_mlflow_id, args: [:mlflow_experiment_id])
          define(:create)
          define(:upsert)
          define(:update_metadata)
          define(:destroy)
        end

        unquote(Declaration.postgres(mine, postgres(mine)))
      end
    end

    defp postgres(mine) do
      quote do
        postgres do
          custom_indexes do
            index([:name], name: unquote("#{mine.table}_by_name_index"))
          end

          references do
            (unquote_splicing(Declaration.outlives([model_run: :model_run], mine)))
          end
        end
      end
    end
  end
end
