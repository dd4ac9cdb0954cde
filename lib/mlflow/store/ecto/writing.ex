if Code.ensure_loaded?(Ecto.Query) do
  defmodule MLflow.Store.Ecto.Writing do
    @moduledoc false
    # The host's own records, written by its changesets.

    import Ecto.Query, only: [from: 2]

    alias Ecto.Changeset
    alias MLflow.Store.Ecto.{Failure, Options, Values}

    @spec update_trial(Options.t(), struct, map, atom) ::
            {:ok, struct} | {:error, MLflow.Error.t()}
    def update_trial(%Options{create: nil}, record, _changes, :report), do: {:ok, record}

    def update_trial(store, record, changes, why) do
      Failure.guard(fn ->
        record
        |> changeset(taken_by(store.trial, changes), writer(store, why))
        |> unmoved(record, store, why)
        |> store.repo.update()
        |> answer()
      end)
    end

    defp writer(%Options{create: create}, :report), do: create
    defp writer(%Options{update: update}, _why), do: update

    # The note of its run is no change of a trial, and where the host does not say how it is written, it
    # does not look like one.
    defp unmoved(changeset, record, %Options{update: nil, fields: fields, trial: trial}, :link) do
      if fields.updated_at in trial.__schema__(:fields),
        do:
          Changeset.force_change(
            changeset,
            fields.updated_at,
            Map.fetch!(record, fields.updated_at)
          ),
        else: changeset
    end

    defp unmoved(changeset, _record, _store, _why), do: changeset

    @spec create_trial(Options.t(), map) ::
            {:ok, struct} | {:error, MLflow.Error.t()} | :unsupported
    def create_trial(%Options{create: nil}, _attrs), do: :unsupported

    def create_trial(store, attrs), do: create(store, store.trial, attrs, store.create)

    @spec put_model_run(Options.t(), map) ::
            {:ok, String.t()} | {:error, MLflow.Error.t()} | :unsupported
    def put_model_run(%Options{model_run: nil}, _attrs), do: :unsupported

    def put_model_run(store, attrs) do
      [key] = store.model_run.__schema__(:primary_key)

      with {:ok, record} <- Failure.guard(fn -> {:ok, find_model_run(store, attrs.run_id)} end),
           {:ok, record} <- put_model_run(store, record, attrs),
           do: {:ok, record |> Map.fetch!(key) |> to_string()}
    end

    defp find_model_run(store, run_id),
      do: store.repo.one(from(run in store.model_run, where: run.run_id == ^run_id))

    defp put_model_run(%Options{put_model_run: nil}, nil, _attrs), do: :unsupported
    defp put_model_run(%Options{put_model_run: nil}, record, _attrs), do: {:ok, record}

    # One that is just named, by a trial that is heard of before its search, is left as it is.
    defp put_model_run(_store, record, attrs) when record != nil and map_size(attrs) == 1,
      do: {:ok, record}

    defp put_model_run(store, nil, attrs) do
      attrs = Map.put_new(attrs, :state, :running)

      with {:error, %MLflow.Error{kind: :already_exists}} <-
             create(store, store.model_run, attrs, store.put_model_run),
           record when record != nil <- find_model_run(store, attrs.run_id),
           do: put_model_run(store, record, attrs)
    end

    defp put_model_run(store, record, attrs) do
      Failure.guard(fn ->
        record
        |> changeset(taken_by(store.model_run, attrs), store.put_model_run)
        |> store.repo.update()
        |> answer()
      end)
    end

    # A row that is taken must not spoil the transaction that the caller may be in.
    defp create(store, schema, attrs, writer) do
      Failure.guard(fn ->
        schema
        |> struct()
        |> changeset(taken_by(schema, attrs), writer)
        |> store.repo.insert(if(store.repo.in_transaction?(), do: [mode: :savepoint], else: []))
        |> answer()
      end)
    end

    defp changeset(record, changes, writer) when writer in [nil, true],
      do: Changeset.change(record, changes)

    defp changeset(record, changes, fun), do: fun.(record, changes)

    # What the schema has no field for, or whose field cannot hold it, the host does not want to keep.
    defp taken_by(schema, attrs) do
      known = schema.__schema__(:fields)

      for {field, value} <- attrs,
          field in known,
          {:ok, cast} <- [Values.cast(schema, field, value)],
          into: %{},
          do: {field, cast}
    end

    defp answer({:ok, record}), do: {:ok, record}
    defp answer({:error, changeset}), do: Failure.refused(changeset)
  end
end
