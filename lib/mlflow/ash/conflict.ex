if Code.ensure_loaded?(Ash.Resource) do
  defmodule MLflow.Ash.Conflict do
    @moduledoc """
    The host's own Ash resource for the conflicts that `MLflow.conflicts/1` lists.

        defmodule MyApp.MLflow.Conflict do
          use MLflow.Ash.Conflict,
            domain: MyApp.Tracking,
            repo: MyApp.Repo,
            attempt: MyApp.MLflow.SyncAttempt
        end

    `MLflow.Conflict` says what its attributes are.

    ## Options

      * `domain:` - the domain, which lists the resource like any other
      * `repo:` - the repo, for AshPostgres; without one, name a `data_layer:`
      * `attempt:` - the resource with `use MLflow.Ash.SyncAttempt`
      * `table:`, `schema:` - where `mlflow_sync_conflicts` is called otherwise
      * all others are those of `use Ash.Resource`: `authorizers:`, `notifiers:`, `extensions:`, …

    Actions: `read`, `create`, `sync` (the store's own) and `destroy`.
    """

    alias MLflow.Ash.{Declaration, SyncAttempt}

    @texts [:instance, :field]
    @maybe [:mlflow_run_id, :model_trial_id, :key, :local, :remote]
    @written [:attempt_id, :winner, :at] ++ @texts ++ @maybe

    @doc false
    defmacro __using__(opts) do
      {mine, theirs, data_layer} =
        Declaration.split(opts, [:attempt], "mlflow_sync_conflicts", __CALLER__)

      mine.attempt ||
        raise ArgumentError,
              "use MLflow.Ash.Conflict needs the resource of the attempts: give attempt: MyApp.MLflow.SyncAttempt"

      quote do
        use Ash.Resource, unquote(theirs)

        attributes do
          unquote(SyncAttempt.growing_id(data_layer))

          for name <- unquote(@texts) do
            attribute(name, :string,
              allow_nil?: false,
              public?: true,
              constraints: unquote(Declaration.text())
            )
          end

          for name <- unquote(@maybe) do
            attribute(name, :string, public?: true, constraints: unquote(Declaration.text()))
          end

          attribute(:winner, :atom,
            allow_nil?: false,
            public?: true,
            constraints: [one_of: [:local, :remote]]
          )

          attribute(:at, :utc_datetime_usec, allow_nil?: false, public?: true)
        end

        relationships do
          belongs_to :attempt, unquote(mine.attempt) do
            attribute_type(:integer)
            allow_nil?(false)
            public?(true)
          end
        end

        unquote(Declaration.actions_of_the_store(@written))

        unquote(Declaration.postgres(mine, postgres(mine)))
      end
    end

    defp postgres(mine) do
      quote do
        postgres do
          custom_indexes do
            (unquote_splicing(
               SyncAttempt.indexes(mine.table,
                 attempt: [:attempt_id],
                 newest: [:instance, :at, :id],
                 trial: [:instance, :model_trial_id],
                 run: [:instance, :mlflow_run_id]
               )
             ))
          end

          references do
            reference(:attempt, on_delete: :delete)
          end
        end
      end
    end
  end
end
