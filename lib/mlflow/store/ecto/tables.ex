if Code.ensure_loaded?(Ecto.Query) do
  defmodule MLflow.Store.Ecto.Tables do
    @moduledoc false
    # The host's tables through its repo.

    @behaviour MLflow.Store.Tables

    import Ecto.Query

    alias MLflow.Store.Ecto.{Failure, Lists, Options, Values, Writing}
    alias MLflow.Store.Host.Savepoint

    # PostgreSQL counts the parameters of a statement in 16 bits.
    @parameters 65_535

    @impl true
    def open(config), do: {:ok, Options.new!(config.store_options)}

    @impl true
    def all(store, table, filter, opts) do
      Failure.guard(fn ->
        case matching(store, table, filter) do
          {:ok, query} -> {:ok, query |> shape(store, table, opts) |> store.repo.all()}
          :nothing -> {:ok, []}
        end
      end)
    end

    @impl true
    def insert(store, table, row) do
      schema = schema(store, table)

      Failure.guard(fn ->
        opts = [on_conflict: :nothing, returning: true] ++ prefix(store)

        case store.repo.insert_all(schema, [new_row(schema, row)], opts) do
          {1, [inserted]} -> {:ok, inserted}
          {0, _} -> {:error, taken(table)}
        end
      end)
    end

    defp taken(table),
      do: MLflow.Error.new(:already_exists, "store", "there is such a row in #{table} already")

    @impl true
    def insert_all(store, table, rows) do
      schema = schema(store, table)
      rows = Enum.map(rows, &new_row(schema, &1))
      columns = rows |> Enum.flat_map(&Map.keys/1) |> Enum.uniq() |> length()

      transaction(store, fn ->
        Failure.guard(fn ->
          rows
          |> Enum.chunk_every(max(div(@parameters, columns), 1))
          |> Enum.each(&store.repo.insert_all(schema, &1, prefix(store)))

          {:ok, length(rows)}
        end)
      end)
    end

    @impl true
    def update_all(store, table, filter, changes) do
      Failure.guard(fn ->
        case matching(store, table, filter) do
          {:ok, query} ->
            set = schema(store, table) |> Values.dump_row(changes) |> Map.to_list()
            {_count, rows} = query |> select([row], row) |> store.repo.update_all(set: set)
            {:ok, rows}

          :nothing ->
            {:ok, []}
        end
      end)
    end

    @impl true
    def delete_all(store, table, filter) do
      Failure.guard(fn ->
        case matching(store, table, filter) do
          {:ok, query} -> {:ok, query |> store.repo.delete_all() |> elem(0)}
          :nothing -> {:ok, 0}
        end
      end)
    end

    @impl true
    def apart(store, fun) do
      case Failure.guard(fn -> store.repo.in_transaction?() end) do
        true -> Savepoint.run(store.repo, fun)
        false -> fun.()
        error -> error
      end
    end

    # An inner transaction of Ecto's that was rolled back would take the outer one with it.
    @impl true
    def transaction(store, fun) do
      Failure.guard(fn ->
        if store.repo.in_transaction?(), do: fun.(), else: begin(store, fun)
      end)
    end

    defp begin(store, fun) do
      store.repo.transaction(fn ->
        case fun.() do
          {:ok, value} -> value
          {:error, error} -> store.repo.rollback(error)
        end
      end)
      |> case do
        # As where a host's own changeset had a transaction inside.
        {:error, :rollback} -> {:error, Failure.store("the transaction was rolled back")}
        answer -> answer
      end
    end

    @impl true
    def cast(store, table, field, text), do: Values.cast(schema(store, table), field, text)

    @impl true
    def trial_fields(%Options{trial: trial, fields: fields} = store) do
      all = trial.__schema__(:fields)
      own = fn field -> if field in all, do: field end

      %{
        all: all,
        writable: store.writable,
        key: store.key,
        trial_id: own.(fields.trial_id),
        model_run_id: own.(fields.model_run_id),
        updated_at: own.(fields.updated_at)
      }
    end

    @impl true
    defdelegate update_trial(store, record, changes, why), to: Writing

    @impl true
    defdelegate create_trial(store, attrs), to: Writing

    @impl true
    defdelegate put_model_run(store, attrs), to: Writing

    @impl true
    def trials_without_run(store, experiment_id),
      do: Failure.guard(fn -> {:ok, Lists.without_run(store, experiment_id)} end)

    @impl true
    def due_trials(store, limit), do: Failure.guard(fn -> {:ok, Lists.due(store, limit)} end)

    # -- queries

    defp schema(store, :trials), do: store.trial
    defp schema(store, table), do: Map.fetch!(store.schemas, table)

    defp prefix(%Options{prefix: nil}), do: []
    defp prefix(%Options{prefix: prefix}), do: [prefix: prefix]

    @doc false
    def source(store, :trials), do: from(trial in store.trial)

    def source(store, table) do
      case store.prefix do
        nil -> from(row in schema(store, table))
        prefix -> schema(store, table) |> from() |> put_query_prefix(prefix)
      end
    end

    # A value that the column cannot hold is no row's.
    defp matching(store, table, filter) do
      Enum.reduce_while(filter, {:ok, source(store, table)}, fn condition, {:ok, query} ->
        case condition(query, schema(store, table), condition) do
          :error -> {:halt, :nothing}
          query -> {:cont, {:ok, query}}
        end
      end)
    end

    defp condition(query, _schema, {field, nil}),
      do: where(query, [row], is_nil(field(row, ^field)))

    defp condition(query, _schema, {field, :not_nil}),
      do: where(query, [row], not is_nil(field(row, ^field)))

    defp condition(query, schema, {field, {:in, values}}) do
      values = for value <- values, {:ok, value} <- [Values.cast(schema, field, value)], do: value
      where(query, [row], field(row, ^field) in ^values)
    end

    defp condition(query, schema, {field, {comparison, value}}) do
      with {:ok, value} <- Values.cast(schema, field, value) do
        case comparison do
          :gt -> where(query, [row], field(row, ^field) > ^value)
          :gte -> where(query, [row], field(row, ^field) >= ^value)
          :lt -> where(query, [row], field(row, ^field) < ^value)
          :lte -> where(query, [row], field(row, ^field) <= ^value)
        end
      end
    end

    defp condition(query, schema, {field, value}) do
      with {:ok, value} <- Values.cast(schema, field, value),
           do: where(query, [row], field(row, ^field) == ^value)
    end

    defp shape(query, _store, _table, opts) do
      Enum.reduce(opts, query, fn
        {:order_by, order}, query -> order_by(query, ^order)
        {:limit, nil}, query -> query
        {:limit, limit}, query -> limit(query, ^limit)
        {:select, columns}, query -> select(query, [row], struct(row, ^columns))
        # Rows that refer to this one need not wait: its keys stay.
        {:lock, true}, query -> lock(query, "FOR NO KEY UPDATE")
        {:lock, false}, query -> query
      end)
    end

    # The columns' own defaults count where nothing is given.
    defp new_row(schema, row) do
      now = DateTime.utc_now()
      columns = schema.__schema__(:fields)
      row = Values.dump_row(schema, row)

      row =
        if :inserted_at in columns,
          do: Map.merge(%{inserted_at: now, updated_at: now}, row),
          else: row

      if Ecto.UUID == schema.__schema__(:type, :id),
        do: Map.put_new_lazy(row, :id, &Ecto.UUID.generate/0),
        else: row
    end
  end
end
