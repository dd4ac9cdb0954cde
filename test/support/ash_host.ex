if Code.ensure_loaded?(Ash.Resource) do
  defmodule MLflow.AshHost do
    @moduledoc """
    A host application on Ash: Thunderline's two resources, and ours declared beside them.

    `use MLflow.AshHost, data_layer: …, repo: …` declares all of them and their domain, under the names that
    the module's own begins with. Its trials go on for a while, unless `statuses:` says otherwise.
    """

    @statuses [:pending, :running, :succeeded, :failed, :skipped, :cancelled]

    defmacro __using__(opts) do
      namespace = __CALLER__.module
      name = &Module.concat(namespace, &1)
      {statuses, opts} = Keyword.pop(opts, :statuses, @statuses)
      {watched?, opts} = Keyword.pop(opts, :watched?)
      base = [domain: namespace] ++ opts
      host = [domain: namespace, data_layer: data_layer(opts)]

      quote do
        use Ash.Domain, validate_config_inclusion?: false

        resources do
          resource(unquote(name.(ModelRun)))
          resource(unquote(name.(ModelTrial)))
          resource(unquote(name.(Experiment)))
          resource(unquote(name.(Run)))
          resource(unquote(name.(Point)))
          resource(unquote(name.(SyncAttempt)))
          resource(unquote(name.(Conflict)))
        end

        defmodule ModelRun do
          use Ash.Resource, unquote(host)

          attributes do
            uuid_primary_key(:id)
            attribute(:run_id, :string, allow_nil?: false, public?: true)

            attribute(:state, :atom,
              default: :initialized,
              allow_nil?: false,
              public?: true,
              constraints: [one_of: [:initialized, :running, :succeeded, :failed, :cancelled]]
            )

            attribute(:search_space_version, :integer, public?: true)
            attribute(:max_params, :integer, public?: true)
            attribute(:requested_trials, :integer, public?: true)
            attribute(:completed_trials, :integer, public?: true)
            attribute(:best_metric, :float, public?: true)
            attribute(:error_message, :string, public?: true)
            attribute(:metadata, :map, default: %{}, public?: true)
            attribute(:bridge_payload, :map, default: %{}, public?: true)
            attribute(:bridge_result, :map, default: %{}, public?: true)
            attribute(:started_at, :utc_datetime_usec, public?: true)
            attribute(:finished_at, :utc_datetime_usec, public?: true)
            create_timestamp(:inserted_at)
            update_timestamp(:updated_at)
          end

          actions do
            default_accept(:*)
            defaults([:destroy, create: :*, update: :*])

            read :read do
              primary?(true)
              pagination(offset?: true, keyset?: true, required?: false, default_limit: 2)
            end
          end

          unquote(host_table("cerebros_model_runs", opts))
        end

        defmodule ModelTrial do
          use Ash.Resource, unquote(host)
          use MLflow.Ash.Trial, run: unquote(name.(Run))

          attributes do
            uuid_primary_key(:id)
            attribute(:trial_id, :string, allow_nil?: false, public?: true)

            attribute(:status, :atom,
              allow_nil?: false,
              public?: true,
              constraints: [one_of: unquote(statuses)]
            )

            attribute(:metrics, :map, default: %{}, public?: true)
            attribute(:parameters, :map, default: %{}, public?: true)
            attribute(:spectral_norm, :boolean, default: false, allow_nil?: false, public?: true)
            attribute(:mlflow_run_id, :string, public?: true)
            attribute(:artifact_uri, :string, public?: true)
            attribute(:duration_ms, :integer, public?: true)
            attribute(:rank, :integer, public?: true)
            attribute(:warnings, {:array, :string}, default: [], public?: true)
            attribute(:candidate_id, :string, public?: true)
            attribute(:pulse_id, :string, public?: true)
            attribute(:bridge_payload, :map, default: %{}, public?: true)
            create_timestamp(:inserted_at, writable?: true)
            update_timestamp(:updated_at, writable?: true)
          end

          relationships do
            belongs_to(:model_run, unquote(name.(ModelRun)), public?: true)
          end

          actions do
            defaults([:destroy, create: [:*, :model_run_id], update: :*])

            # A host's own limit must not hide trials from the store.
            read :read do
              primary?(true)

              pagination(
                offset?: true,
                keyset?: true,
                required?: true,
                default_limit: 2,
                max_page_size: 3
              )
            end

            update :mlflow_pull do
              require_atomic?(false)
              accept([:status, :metrics, :parameters, :artifact_uri])
            end

            update :link_mlflow_run do
              accept([:mlflow_run_id, :artifact_uri])
            end

            update :age do
              accept([:inserted_at, :updated_at])
            end
          end

          unquote(host_table("cerebros_model_trials", opts))
        end

        defmodule Experiment do
          use MLflow.Ash.Experiment,
              unquote(base ++ [model_run: name.(ModelRun), run: name.(Run)])
        end

        defmodule Run do
          use MLflow.Ash.Run,
              unquote(
                base ++
                  [
                    experiment: name.(Experiment),
                    trial: name.(ModelTrial),
                    model_run: name.(ModelRun),
                    point: name.(Point)
                  ] ++ if(watched?, do: [authorizers: [Ash.Policy.Authorizer]], else: [])
              )

          unquote(if watched?, do: MLflow.AshHost.watch())
        end

        defmodule Point do
          use MLflow.Ash.Point, unquote(base ++ [run: name.(Run)])
        end

        defmodule SyncAttempt do
          use MLflow.Ash.SyncAttempt, unquote(base)
        end

        defmodule Conflict do
          use MLflow.Ash.Conflict, unquote(base ++ [attempt: name.(SyncAttempt)])
        end

        defmodule World do
          @moduledoc "What `MLflow.StoreContract` needs of this host."

          @doc "The options of `MLflow.Store.Ash` for this host."
          def store(more \\ []) do
            [
              experiment: unquote(name.(Experiment)),
              run: unquote(name.(Run)),
              point: unquote(name.(Point)),
              attempt: unquote(name.(SyncAttempt)),
              conflict: unquote(name.(Conflict)),
              trial:
                {unquote(name.(ModelTrial)),
                 update: :mlflow_pull, link: :link_mlflow_run, create: :create},
              model_run: {unquote(name.(ModelRun)), create: :create, update: :update}
            ]
            |> Keyword.merge(more)
          end

          @doc "Forgets every row."
          def clean!,
            do:
              unquote(
                if opts[:repo],
                  do: quote(do: MLflow.Postgres.clean!()),
                  else: quote(do: MLflow.AshHost.clean!(unquote(namespace)))
              )

          @doc "The options of an instance on this host's resources, all of which are emptied."
          def options(more \\ []) do
            clean!()
            [store: {MLflow.Store.Ash, store(more)}, queue: MLflow.NoQueue]
          end

          def create!(_name, attrs),
            do:
              Ash.create!(
                unquote(name.(ModelTrial)),
                Map.new(attrs, & &1) |> Map.put_new(:status, :running)
              )

          def update!(name, trial_id, attrs),
            do: name |> get!(trial_id) |> Ash.update!(Map.new(attrs))

          def get!(_name, trial_id) do
            require Ash.Query

            unquote(name.(ModelTrial))
            |> Ash.Query.filter(^[trial_id: trial_id])
            |> Ash.read!(page: [limit: 1])
            |> Map.fetch!(:results)
            |> hd()
          end

          @doc "All that was written so far was written a while ago."
          def age!(_name) do
            earlier = ~U[2024-01-01 00:00:00.123456Z]
            aged = %{inserted_at: earlier, updated_at: earlier}
            Ash.bulk_update!(unquote(name.(ModelTrial)), :age, aged, strategy: [:atomic, :stream])
          end
        end
      end
    end

    @doc "What a host may add to its runs: a change in each update, and a policy."
    def watch do
      quote do
        changes do
          change(MLflow.AshHost.Watched, on: [:update])
        end

        policies do
          policy action_type(:create) do
            forbid_if(actor_attribute_equals(:role, :viewer))
            authorize_if(always())
          end

          policy action_type([:read, :update, :destroy]) do
            authorize_if(always())
          end
        end
      end
    end

    @doc "Forgets every row of a domain's, whoever may see them."
    def clean!(domain, tenants \\ [nil]) do
      for resource <- Ash.Domain.Info.resources(domain), tenant <- tenants do
        %{name: destroy} = Ash.Resource.Info.primary_action(resource, :destroy)
        opts = [strategy: [:atomic, :stream], authorize?: false, tenant: tenant]
        Ash.bulk_destroy!(resource, destroy, %{}, opts)
      end

      :ok
    end

    defp data_layer(opts), do: opts[:data_layer] || quote(do: AshPostgres.DataLayer)

    defp host_table(table, opts) do
      if repo = opts[:repo] do
        quote do
          postgres do
            table(unquote(table))
            repo(unquote(repo))
          end
        end
      end
    end
  end

  defmodule MLflow.AshHost.Ets do
    @moduledoc "The host without a database."
    use MLflow.AshHost, data_layer: Ash.DataLayer.Ets
  end

  defmodule MLflow.AshHost.Thunderline do
    @moduledoc "The host whose trials are only written when they have ended, as Thunderline's are."
    use MLflow.AshHost,
      data_layer: Ash.DataLayer.Ets,
      statuses: [:succeeded, :failed, :skipped, :cancelled]
  end

  defmodule MLflow.AshHost.Listener do
    @moduledoc "A notifier of the host's: tells the process that listens."
    use Ash.Notifier

    def listen, do: :persistent_term.put(__MODULE__, self())

    @impl true
    def notify(%{resource: resource, action: action, data: data}) do
      if pid = :persistent_term.get(__MODULE__, nil),
        do: send(pid, {:notified, resource, action.name, data})

      :ok
    end
  end

  defmodule MLflow.AshHost.Guarded do
    @moduledoc """
    A host with tenants, policies, a notifier, and attributes and actions of its own in our resources.
    """
    use Ash.Domain, validate_config_inclusion?: false

    alias MLflow.AshHost.Guarded

    resources do
      resource(Guarded.ModelTrial)
      resource(Guarded.Experiment)
      resource(Guarded.Run)
      resource(Guarded.Point)
      resource(Guarded.SyncAttempt)
      resource(Guarded.Conflict)
    end

    defmodule Rules do
      @moduledoc "Each row is a tenant's; the sync may do all, and a viewer may read."
      defmacro __using__(_opts) do
        quote do
          attributes do
            attribute(:org, :string, allow_nil?: false)
          end

          multitenancy do
            strategy(:attribute)
            attribute(:org)
          end

          policies do
            policy action_type(:read) do
              authorize_if(actor_attribute_equals(:role, :sync))
              authorize_if(actor_attribute_equals(:role, :viewer))
            end

            policy action_type([:create, :update, :destroy]) do
              authorize_if(actor_attribute_equals(:role, :sync))
            end
          end
        end
      end
    end

    defmodule ModelTrial do
      @moduledoc false
      use Ash.Resource,
        domain: Guarded,
        data_layer: Ash.DataLayer.Ets,
        authorizers: [Ash.Policy.Authorizer]

      use MLflow.Ash.Trial, run: Guarded.Run
      use Guarded.Rules

      policies do
        policy action_type(:read) do
          authorize_if(expr(trial_id != "hidden"))
        end
      end

      attributes do
        uuid_primary_key(:id)
        attribute(:trial_id, :string, allow_nil?: false, public?: true)
        attribute(:status, :atom, default: :succeeded, public?: true)
        attribute(:metrics, :map, default: %{}, public?: true)
        attribute(:mlflow_run_id, :string, public?: true)
        update_timestamp(:updated_at)
      end

      actions do
        defaults([:read, :destroy, create: :*, update: :*])
      end
    end

    defmodule Experiment do
      @moduledoc false
      use MLflow.Ash.Experiment,
        domain: Guarded,
        data_layer: Ash.DataLayer.Ets,
        authorizers: [Ash.Policy.Authorizer]

      use Guarded.Rules
    end

    defmodule Run do
      @moduledoc false
      use MLflow.Ash.Run,
        domain: Guarded,
        data_layer: Ash.DataLayer.Ets,
        authorizers: [Ash.Policy.Authorizer],
        notifiers: [MLflow.AshHost.Listener],
        experiment: Guarded.Experiment,
        trial: Guarded.ModelTrial,
        point: Guarded.Point

      use Guarded.Rules

      attributes do
        attribute(:reviewed, :boolean, default: false, public?: true)
      end

      actions do
        update :review do
          require_atomic?(false)
          accept([])
          change(set_attribute(:reviewed, true))
        end
      end
    end

    defmodule Point do
      @moduledoc false
      use MLflow.Ash.Point,
        domain: Guarded,
        data_layer: Ash.DataLayer.Ets,
        authorizers: [Ash.Policy.Authorizer],
        run: Guarded.Run

      use Guarded.Rules
    end

    defmodule SyncAttempt do
      @moduledoc false
      use MLflow.Ash.SyncAttempt,
        domain: Guarded,
        data_layer: Ash.DataLayer.Ets,
        authorizers: [Ash.Policy.Authorizer]

      use Guarded.Rules
    end

    defmodule Conflict do
      @moduledoc false
      use MLflow.Ash.Conflict,
        domain: Guarded,
        data_layer: Ash.DataLayer.Ets,
        authorizers: [Ash.Policy.Authorizer],
        attempt: Guarded.SyncAttempt

      use Guarded.Rules
    end

    @doc "The options of `MLflow.Store.Ash` for this host."
    def store(more) do
      [
        experiment: Guarded.Experiment,
        run: Guarded.Run,
        point: Guarded.Point,
        attempt: Guarded.SyncAttempt,
        conflict: Guarded.Conflict,
        trial: Guarded.ModelTrial
      ] ++ more
    end

    def create_in!(tenant, attrs),
      do: Ash.create!(Guarded.ModelTrial, Map.new(attrs), tenant: tenant, authorize?: false)

    @doc "Forgets every row of every tenant."
    def clean!, do: MLflow.AshHost.clean!(__MODULE__, ["acme", "other"])
  end

  defmodule MLflow.AshHost.Numbers do
    @moduledoc "A host whose trials have numbers for keys, by a name of its own."
    use Ash.Domain, validate_config_inclusion?: false

    resources do
      resource(MLflow.AshHost.Numbers.Trial)
      resource(MLflow.AshHost.Numbers.Run)
    end

    defmodule Trial do
      @moduledoc false
      use Ash.Resource, domain: MLflow.AshHost.Numbers, data_layer: Ash.DataLayer.Ets
      use MLflow.Ash.Trial, run: MLflow.AshHost.Numbers.Run, key: :number

      attributes do
        attribute(:number, :integer, primary_key?: true, allow_nil?: false, public?: true)
      end

      actions do
        defaults([:read, create: :*])
      end
    end

    defmodule Run do
      @moduledoc false
      use MLflow.Ash.Run,
        domain: MLflow.AshHost.Numbers,
        data_layer: Ash.DataLayer.Ets,
        trial: MLflow.AshHost.Numbers.Trial
    end
  end

  defmodule MLflow.AshHost.Watched do
    @moduledoc "A change of the host's that no single statement can make."
    use Ash.Resource.Change

    @impl true
    def change(changeset, _opts, _context), do: Ash.Changeset.before_action(changeset, & &1)
  end

  if Code.ensure_loaded?(AshPostgres.DataLayer) do
    defmodule MLflow.AshHost.WatchedPostgres do
      @moduledoc "The host on PostgreSQL, with a change and a policy of its own for runs."
      use MLflow.AshHost, repo: MLflow.TestRepo, watched?: true
    end

    defmodule MLflow.AshHost.Postgres do
      @moduledoc "The host on PostgreSQL."
      use MLflow.AshHost, repo: MLflow.TestRepo
    end
  end
end
