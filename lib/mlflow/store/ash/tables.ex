if Code.ensure_loaded?(Ash) do
  defmodule MLflow.Store.Ash.Tables do
    @moduledoc false
    # The tables of a store as Ash resources; what is done with them goes by their actions.

    @behaviour MLflow.Store.Tables

    alias MLflow.Error
    alias MLflow.Store.Ash.{Failure, Mutex, Options, Outside, Records, Rows, Values, Waiting}
    alias MLflow.Store.Host.Savepoint

    require Ash.Expr

    # What a store never writes twice; an insertion that finds it taken says so and no more.
    @identities [
      unique_mlflow_experiment_id: :mlflow_experiment_id,
      unique_mlflow_run_id: :mlflow_run_id,
      unique_model_trial_id: :model_trial_id
    ]

    @impl true
    def open(config), do: {:ok, Options.new(config.store_options)}

    @impl true
    def all(handle, table, filter, opts) do
      resource = resource(handle, table)

      query = resource |> Rows.matching(filter) |> Rows.shaped(opts)
      guard(resource, :read, fn -> Rows.read(query, opts[:limit], handle.call) end)
    end

    @impl true
    def insert(handle, table, row) do
      resource = resource(handle, table)
      one_by_one(handle, resource, fn -> insert_one(handle, resource, row) end)
    end

    # In the middle of a transaction a database would refuse every statement after one that failed. So the
    # row is not forced on a key that is taken: what comes back then is the row that has it.
    defp insert_one(handle, resource, row) do
      case identities(resource, row) do
        [] ->
          create(handle, resource, row, [])

        [identity | others] ->
          with :ok <- check_free(handle, resource, row, others),
               {:ok, record} <- create(handle, resource, row, skip_if_taken(resource, identity)) do
            if record.__metadata__[:upsert_skipped],
              do: {:error, taken(resource, identity)},
              else: {:ok, record}
          end
      end
    end

    defp identities(resource, row) do
      for {identity, column} <- @identities,
          Ash.Resource.Info.identity(resource, identity),
          row[column] != nil,
          do: identity
    end

    defp skip_if_taken(resource, identity) do
      if Ash.DataLayer.data_layer_can?(resource, :upsert) do
        [
          upsert?: true,
          upsert_identity: identity,
          upsert_fields: [@identities[identity]],
          upsert_condition: never(resource),
          return_skipped_upsert?: true
        ]
      else
        []
      end
    end

    # An expression that is plainly false counts as none.
    defp never(resource) do
      [key | _] = Ash.Resource.Info.primary_key(resource)
      Ash.Expr.expr(is_nil(^Ash.Expr.ref(key)))
    end

    defp check_free(handle, resource, row, identities) do
      Enum.reduce_while(identities, :ok, fn identity, :ok ->
        column = @identities[identity]
        query = Rows.matching(resource, [{column, row[column]}])

        case guard(resource, :read, fn -> Rows.read(query, 1, handle.call) end) do
          {:ok, []} -> {:cont, :ok}
          {:ok, _} -> {:halt, {:error, taken(resource, identity)}}
          error -> {:halt, error}
        end
      end)
    end

    defp taken(resource, identity) do
      message = "#{inspect(resource)} has another row with this #{@identities[identity]}"
      Error.new(:already_exists, "store", message)
    end

    # Made by hand, for of the options of `Ash.create/3` the condition would be lost.
    defp create(handle, resource, row, opts) do
      guard(resource, :create, fn ->
        resource
        |> Ash.Changeset.for_create(:create, row, opts ++ handle.call)
        |> Ash.create(handle.call)
      end)
    end

    @impl true
    def insert_all(_handle, _table, []), do: {:ok, 0}

    def insert_all(handle, table, rows) do
      resource = resource(handle, table)

      opts = [
        return_errors?: true,
        stop_on_error?: true,
        notify?: true,
        transaction: :all,
        batch_size: 1_000
      ]

      one_by_one(handle, resource, fn ->
        guard(resource, :create, fn ->
          rows
          |> Ash.bulk_create(resource, :create, opts ++ handle.call)
          |> outcome()
        end)
      end)
      |> case do
        {:ok, _} -> {:ok, length(rows)}
        error -> error
      end
    end

    @impl true
    def update_all(handle, table, filter, changes) do
      resource = resource(handle, table)
      query = Rows.matching(resource, filter)

      change(handle, resource, query, :sync, &Ash.bulk_update(&1, :sync, changes, &2))
    end

    @impl true
    def delete_all(handle, table, filter) do
      resource = resource(handle, table)
      action = Ash.Resource.Info.primary_action(resource, :destroy).name
      query = Rows.matching(resource, filter)

      with {:ok, rows} <-
             change(handle, resource, query, action, &Ash.bulk_destroy(&1, action, %{}, &2)),
           do: {:ok, length(rows)}
    end

    defp change(_handle, _resource, :none, _action, _bulk), do: {:ok, []}

    # In one statement, where the data layer and all that the host has added to the action can. If not,
    # the rows are held before they are changed, so that the filter is still true of them then.
    defp change(handle, resource, query, action, bulk) do
      one_by_one(handle, resource, fn ->
        guard(resource, action, fn ->
          with {:error, errors} = refused <-
                 outcome(bulk.(query, bulk_opts(handle, [:atomic]))) do
            if Failure.not_at_once?(errors),
              do: change_held(handle, resource, query, action, bulk),
              else: refused
          end
        end)
      end)
    end

    defp change_held(handle, resource, query, action, bulk) do
      query = Rows.shaped(query, lock: true)

      transaction(handle, fn ->
        guard(resource, action, fn ->
          outcome(bulk.(query, bulk_opts(handle, [:atomic_batches, :stream])))
        end)
      end)
    end

    defp bulk_opts(handle, strategy) do
      [
        strategy: strategy,
        allow_stream_with: :full_read,
        return_records?: true,
        return_errors?: true,
        stop_on_error?: true,
        notify?: true
      ] ++ handle.call
    end

    defp outcome(%Ash.BulkResult{status: :success, records: records}), do: {:ok, records || []}
    defp outcome(%Ash.BulkResult{errors: errors}), do: {:error, errors || []}

    @impl true
    def apart(handle, fun) do
      resource = handle.tables.runs
      repo = repo(resource)

      case repo && guard(resource, :transaction, fn -> repo.in_transaction?() end) do
        true -> Savepoint.run(repo, fn -> Outside.run(fun) end)
        {:error, _} = error -> error
        _no -> fun.()
      end
    end

    defp repo(resource) do
      if Ash.DataLayer.data_layer(resource) == AshPostgres.DataLayer,
        do: apply(AshPostgres.DataLayer.Info, :repo, [resource, :mutate])
    end

    @impl true
    def transaction(handle, fun) do
      resource = handle.tables.runs

      one_by_one(handle, resource, fn ->
        if Ash.DataLayer.in_transaction?(resource), do: fun.(), else: begin(resource, fun)
      end)
    end

    defp begin(resource, fun) do
      guard(resource, :transaction, fn ->
        Ash.transaction(resource, fn ->
          case fun.() do
            {:ok, value} -> value
            # Thrown, it goes through Ash as it is, and rolls back where there is something to.
            {:error, error} -> throw({__MODULE__, :gave_up, error})
          end
        end)
      end)
    catch
      {__MODULE__, :gave_up, error} -> {:error, error}
    end

    # Without transactions, a look and the write that follows from it are one step only if nobody else
    # writes.
    defp one_by_one(handle, resource, fun) do
      if Ash.DataLayer.data_layer_can?(resource, :transact),
        do: fun.(),
        else: Mutex.hold(handle.tables.runs, fun)
    end

    @impl true
    def cast(handle, table, field, text),
      do: Values.cast(resource(handle, table), field, text)

    @impl true
    defdelegate trial_fields(handle), to: Records

    @impl true
    defdelegate update_trial(handle, record, changes, why), to: Records

    @impl true
    defdelegate create_trial(handle, attrs), to: Records

    @impl true
    defdelegate put_model_run(handle, attrs), to: Records

    @impl true
    defdelegate trials_without_run(handle, mlflow_experiment_id), to: Waiting

    @impl true
    defdelegate due_trials(handle, limit), to: Waiting

    defp resource(handle, :trials), do: handle.trial
    defp resource(handle, table), do: Map.fetch!(handle.tables, table)

    defp guard(resource, action, fun), do: Failure.guard(resource, action, fun)
  end
end
