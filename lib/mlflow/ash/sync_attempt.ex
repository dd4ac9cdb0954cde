if Code.ensure_loaded?(Ash.Resource) do
  defmodule MLflow.Ash.SyncAttempt do
    @moduledoc """
    The host's own Ash resource for the attempts that `MLflow.history/1` lists.

        defmodule MyApp.MLflow.SyncAttempt do
          use MLflow.Ash.SyncAttempt, domain: MyApp.Tracking, repo: MyApp.Repo
        end

    `MLflow.SyncAttempt` says what its attributes are. `instance` is the name of the instance that tried.

    ## Options

      * `domain:` - the domain, which lists the resource like any other
      * `repo:` - the repo, for AshPostgres; without one, name a `data_layer:`
      * `table:`, `schema:` - where `mlflow_sync_attempts` is called otherwise
      * all others are those of `use Ash.Resource`: `authorizers:`, `notifiers:`, `extensions:`, …

    Actions: `read`, `create`, `sync` (the store's own) and `destroy`.
    """

    alias MLflow.Ash.Declaration

    @texts [:instance, :target]
    @links [:mlflow_run_id, :model_trial_id, :mlflow_experiment_id]
    @counts [:pushed, :pulled, :conflicts, :requests, :writes]
    @written [:action, :direction, :result, :counts, :error, :started_at, :duration_ms] ++
               @texts ++ @links ++ @counts

    @actions [
      :sync_trial_to_mlflow,
      :sync_mlflow_to_trial,
      :sync_experiment,
      :create_run,
      :ensure_experiment
    ]

    @doc false
    defmacro __using__(opts) do
      {mine, theirs, data_layer} = Declaration.split(opts, [], "mlflow_sync_attempts", __CALLER__)

      quote do
        use Ash.Resource, unquote(theirs)

        attributes do
          unquote(MLflow.Ash.SyncAttempt.growing_id(data_layer))

          attribute(:action, :atom,
            allow_nil?: false,
            public?: true,
            constraints: [one_of: unquote(@actions)]
          )

          attribute(:direction, :atom,
            allow_nil?: false,
            public?: true,
            constraints: [one_of: [:push, :pull, :both]]
          )

          attribute(:result, :atom,
            allow_nil?: false,
            public?: true,
            constraints: [one_of: [:ok, :error, :snooze, :cancel]]
          )

          for name <- unquote(@texts) do
            attribute(name, :string,
              allow_nil?: false,
              public?: true,
              constraints: unquote(Declaration.text())
            )
          end

          for name <- unquote(@links) do
            attribute(name, :string, public?: true, constraints: unquote(Declaration.text()))
          end

          for name <- unquote(@counts) do
            attribute(name, :integer, allow_nil?: false, default: 0, public?: true)
          end

          attribute(:counts, :map, public?: true)
          attribute(:error, :map, public?: true)
          attribute(:started_at, :utc_datetime_usec, allow_nil?: false, public?: true)
          attribute(:duration_ms, :integer, allow_nil?: false, public?: true)
        end

        unquote(Declaration.actions_of_the_store(@written))

        unquote(Declaration.postgres(mine, postgres(mine)))
      end
    end

    @doc false
    # A sequence of the database's, or one of the VM's own where the data layer has none.
    def growing_id(AshPostgres.DataLayer), do: quote(do: integer_primary_key(:id))

    def growing_id(_data_layer) do
      quote do
        attribute(:id, :integer,
          primary_key?: true,
          allow_nil?: false,
          public?: true,
          default: &MLflow.Ash.SyncAttempt.next_id/0
        )
      end
    end

    @doc false
    # Grows through restarts, too.
    def next_id do
      System.os_time(:microsecond) * 1_000 +
        rem(System.unique_integer([:monotonic, :positive]), 1_000)
    end

    defp postgres(mine) do
      quote do
        postgres do
          custom_indexes do
            (unquote_splicing(
               MLflow.Ash.SyncAttempt.indexes(mine.table,
                 newest: [:instance, :started_at, :id],
                 target: [:instance, :target],
                 trial: [:instance, :model_trial_id],
                 run: [:instance, :mlflow_run_id]
               )
             ))
          end
        end
      end
    end

    @doc false
    def indexes(table, indexes) do
      for {suffix, columns} <- indexes do
        quote(do: index(unquote(columns), name: unquote("#{table}_#{suffix}_index")))
      end
    end
  end
end
