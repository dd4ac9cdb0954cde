if Code.ensure_loaded?(Ash.Resource) do
  defmodule MLflow.Ash.Run do
    @moduledoc """
    The host's own Ash resource for the runs of its trials.

        defmodule MyApp.MLflow.Run do
          use MLflow.Ash.Run,
            domain: MyApp.Tracking,
            repo: MyApp.Repo,
            experiment: MyApp.MLflow.Experiment,
            trial: MyApp.ModelTrial,
            model_run: MyApp.ModelRun
        end

        {:ok, run} = MyApp.MLflow.Run.by_trial_id(trial.id, load: [:experiment, :model_trial])

    ## Options

      * `domain:` - the domain, which lists the resource like any other
      * `repo:` - the repo, for AshPostgres; without one, name a `data_layer:`
      * `experiment:` - the resource with `use MLflow.Ash.Experiment`, for the relationship `experiment`
      * `trial:` - the resource of the host's trials, for the relationship `model_trial`
      * `model_run:` - the resource of the host's searches, for the relationship `model_run`
      * `point:` - the resource with `use MLflow.Ash.Point`, for the relationship `points`
      * `table:`, `schema:` - where `mlflow_runs` is called otherwise
      * all others are those of `use Ash.Resource`: `authorizers:`, `notifiers:`, `extensions:`, …

    `model_trial_id` and `model_run_id` are of the type that the primary keys of the host's resources
    have. `start_time` and `end_time` are in ms since the epoch, as on the server.

    The module goes on as every resource does: attributes, policies, multitenancy and actions of the
    host's own stand below.

    | action | what it does |
    |---|---|
    | `read` | the primary one |
    | `by_mlflow_id` | the one with this id on the server |
    | `by_trial_id` | the one of this trial |
    | `create` | adds one |
    | `upsert` | adds one, or updates that with the same `mlflow_run_id` |
    | `update_metadata` | changes what the server told |
    | `link_trial` | says which trial it belongs to |
    | `sync` | changes any column, such as a claim or what both sides agreed on; the store's own |
    | `destroy` | |

    There is a function of the same name for each but `read`, and for `read` there is `list`.

    A row without an `mlflow_run_id` is the claim to create a run for a trial, or the series of one that
    has no run yet.
    """

    alias MLflow.Ash.Declaration

    @statuses [:running, :scheduled, :finished, :failed, :killed]
    @metadata [
      :mlflow_experiment_id,
      :run_name,
      :status,
      :start_time,
      :end_time,
      :artifact_uri,
      :lifecycle_stage,
      :params,
      :metrics,
      :tags,
      :synced_at
    ]
    @links [:model_trial_id, :model_run_id]
    @bookkeeping [
      :base,
      :digest,
      :points_seq,
      :recorded_seq,
      :local_seq,
      :latest,
      :reported,
      :claimed_by,
      :claimed_until,
      :sync_error,
      :inserted_at,
      :updated_at
    ]
    @written [:id, :mlflow_run_id] ++ @links ++ @metadata ++ @bookkeeping

    @doc false
    defmacro __using__(opts) do
      {mine, theirs, data_layer} =
        Declaration.split(
          opts,
          [:experiment, :trial, :model_run, :point],
          "mlflow_runs",
          __CALLER__
        )

      checked_by = Declaration.checked_by(data_layer, theirs)
      {_key, trial_key_type} = Declaration.key_of(mine.trial)

      quote do
        use Ash.Resource, unquote(theirs)

        attributes do
          uuid_primary_key(:id, writable?: true)

          attribute(:mlflow_run_id, :string, public?: true, constraints: unquote(Declaration.id()))

          attribute(:mlflow_experiment_id, :string,
            public?: true,
            constraints: unquote(Declaration.text())
          )

          attribute(:run_name, :string, public?: true, constraints: unquote(Declaration.text()))
          attribute(:status, :atom, public?: true, constraints: [one_of: unquote(@statuses)])
          attribute(:start_time, :integer, public?: true)
          attribute(:end_time, :integer, public?: true)

          attribute(:artifact_uri, :string,
            public?: true,
            constraints: unquote(Declaration.text())
          )

          attribute(:lifecycle_stage, :atom,
            public?: true,
            constraints: [one_of: [:active, :deleted]]
          )

          attribute(:params, :map, public?: true)
          attribute(:metrics, :map, public?: true)
          attribute(:tags, :map, public?: true)
          attribute(:synced_at, :utc_datetime_usec, public?: true)
          attribute(:sync_error, :map, public?: true)

          attribute(:base, :string, constraints: unquote(Declaration.text()))
          attribute(:digest, :integer)
          attribute(:points_seq, :integer)
          attribute(:recorded_seq, :integer, allow_nil?: false, default: 0)
          attribute(:local_seq, :integer, allow_nil?: false, default: 0)
          attribute(:latest, :map, allow_nil?: false, default: %{})
          attribute(:reported, :map, allow_nil?: false, default: %{})
          attribute(:claimed_by, :string, constraints: unquote(Declaration.text()))
          attribute(:claimed_until, :integer)
          create_timestamp(:inserted_at, type: :utc_datetime_usec, writable?: true)
          update_timestamp(:updated_at, type: :utc_datetime_usec, writable?: true)
        end

        unquote(Declaration.bare_column(:model_trial_id, mine.trial))
        unquote(Declaration.bare_column(:model_run_id, mine.model_run))
        unquote(experiment(mine.experiment))
        unquote(Declaration.belongs_to(:model_trial, mine.trial))
        unquote(Declaration.belongs_to(:model_run, mine.model_run))

        unquote(
          Declaration.has_many(:points, mine.point,
            destination_attribute: :run_record_id,
            public?: true
          )
        )

        identities do
          identity(:unique_mlflow_run_id, [:mlflow_run_id], pre_check_with: unquote(checked_by))
          identity(:unique_model_trial_id, [:model_trial_id], pre_check_with: unquote(checked_by))
        end

        actions do
          defaults([:read, :destroy])

          read :by_mlflow_id do
            get?(true)
            argument(:mlflow_run_id, :string, allow_nil?: false)
            filter(expr(^ref(:mlflow_run_id) == ^arg(:mlflow_run_id)))
          end

          read :by_trial_id do
            get?(true)
            argument(:model_trial_id, unquote(trial_key_type), allow_nil?: false)
            filter(expr(^ref(:model_trial_id) == ^arg(:model_trial_id)))
          end

          create :create do
            primary?(true)
            accept(unquote(@written))
          end

          create :upsert do
            accept(unquote([:mlflow_run_id | @links] ++ @metadata))
            upsert?(true)
            upsert_identity(:unique_mlflow_run_id)
          end

          update :update_metadata do
            primary?(true)
            require_atomic?(false)
            accept(unquote(@metadata))
          end

          update :link_trial do
            require_atomic?(false)
            accept(unquote(@links))
          end

          update :sync do
            require_atomic?(false)
            accept(unquote(@written -- [:id]))
          end
        end

        code_interface do
          define(:list, action: :read)
          define(:by_mlflow_id, args: [:mlflow_run_id])
          define(:by_trial_id, args: [:model_trial_id])
          define(:create)
          define(:upsert)
          define(:update_metadata)
          define(:link_trial, args: [:model_trial_id])
          define(:destroy)
        end

        unquote(Declaration.postgres(mine, postgres(mine)))
      end
    end

    # A run may be known here before its experiment is, so the database is not to insist.
    defp experiment(nil), do: nil

    defp experiment(resource) do
      quote do
        relationships do
          belongs_to :experiment, unquote(resource) do
            source_attribute(:mlflow_experiment_id)
            destination_attribute(:mlflow_experiment_id)
            define_attribute?(false)
            public?(true)
          end
        end
      end
    end

    defp postgres(mine) do
      references =
        if(mine.experiment, do: [quote(do: reference(:experiment, ignore?: true))], else: []) ++
          Declaration.outlives([model_trial: :trial, model_run: :model_run], mine)

      quote do
        postgres do
          custom_indexes do
            index([:mlflow_experiment_id], name: unquote("#{mine.table}_by_experiment_index"))
          end

          references do
            (unquote_splicing(references))
          end
        end
      end
    end
  end
end
