if Code.ensure_loaded?(Ecto.Query) do
  defmodule MLflow.Store.Ecto.Lists do
    @moduledoc false
    # The lists of trials that need a look at their runs' rows, too.

    import Ecto.Query

    alias MLflow.{Run, Trial}
    alias MLflow.Store.Ecto.{Options, Values}
    alias MLflow.Trackable.Fields

    @doc "Trials without a run, the oldest first."
    @spec without_run(Options.t(), String.t() | nil) :: [struct]
    def without_run(store, experiment_id) do
      case of_experiment(store, experiment_id) do
        nil ->
          []

        condition ->
          store
          |> with_runs()
          |> where([run: run], is_nil(run.mlflow_run_id))
          |> where(^condition)
          |> order_by(^oldest(store))
          |> store.repo.all()
      end
    end

    # Trials that do not say whose they are name no experiment.
    defp of_experiment(store, experiment_id) do
      field = store.fields.experiment_id

      cond do
        field not in store.trial.__schema__(:fields) -> if experiment_id == nil, do: dynamic(true)
        experiment_id == nil -> dynamic([trial: trial], is_nil(field(trial, ^field)))
        true -> dynamic([trial: trial], field(trial, ^field) == ^experiment_id)
      end
    end

    @doc "Trials that want a sync: see `MLflow.Store.Tables`."
    @spec due(Options.t(), pos_integer) :: [struct]
    def due(store, limit) do
      for_good =
        dynamic(
          [run: run],
          not is_nil(run.sync_error) and
            not fragment("coalesce((?->>'retryable')::boolean, false)", run.sync_error)
        )

      store
      |> with_runs()
      |> where(
        ^dynamic(
          [run: run],
          is_nil(run.id) or (^for_good and ^written_after_error(store)) or
            (not (^for_good) and ^out_of_step(store))
        )
      )
      |> order_by([run: run], asc_nulls_first: run.updated_at)
      |> order_by(^oldest(store))
      |> limit(^limit)
      |> store.repo.all()
    end

    # A comparison with null is null, and so is its negation: each side answers true or false.
    defp out_of_step(store) do
      dynamic(
        [run: run],
        not is_nil(run.sync_error) or is_nil(run.mlflow_run_id) or is_nil(run.synced_at) or
          run.local_seq > coalesce(run.points_seq, 0) or ^unfinished(store) or
          ^written_after_sync(store)
      )
    end

    # As `MLflow.Store.Host.Version` tells it, with room for the rounding of older databases. Columns with a
    # time zone and without are both to be compared with ours, which have none.
    defp written_after_sync(store) do
      case written_at(store) do
        nil ->
          dynamic(false)

        field ->
          dynamic(
            [trial: trial, run: run],
            fragment(
              "extract(epoch from ?) - extract(epoch from ?) NOT BETWEEN -0.0009995 AND 0.0000005",
              field(trial, ^field),
              run.synced_at
            )
          )
      end
    end

    defp written_after_error(store) do
      case written_at(store) do
        nil ->
          dynamic(false)

        field ->
          dynamic(
            [trial: trial, run: run],
            fragment(
              "coalesce(extract(epoch from ?) * 1000 - (?->>'version')::numeric NOT BETWEEN -0.9995 AND 0.0005, extract(epoch from ?) > extract(epoch from ?))",
              field(trial, ^field),
              run.sync_error,
              field(trial, ^field),
              run.updated_at
            )
          )
      end
    end

    defp written_at(store) do
      field = store.fields.updated_at
      if field in store.trial.__schema__(:fields) and time?(store, field), do: field
    end

    defp time?(store, field) do
      type = Ecto.Type.type(store.trial.__schema__(:type, field))
      type in [:utc_datetime, :utc_datetime_usec, :naive_datetime, :naive_datetime_usec]
    end

    defp unfinished(store) do
      field = store.fields.status

      if field in store.trial.__schema__(:fields) do
        statuses = unfinished_statuses(store, field)

        dynamic(
          [trial: trial],
          is_nil(field(trial, ^field)) or field(trial, ^field) in ^statuses
        )
      else
        dynamic(false)
      end
    end

    # By all the names that this host has for a status that is not the last.
    defp unfinished_statuses(%Options{trial: trial, fields: %Fields{} = fields}, field) do
      names = Keyword.keys(fields.statuses) ++ Trial.statuses() ++ Run.statuses()

      for name <- Enum.uniq(names),
          not Run.terminal?(Fields.run_status(fields, name)),
          {:ok, value} <- [Values.cast(trial, field, name)],
          do: value
    end

    defp with_runs(store) do
      runs = MLflow.Store.Ecto.Tables.source(store, :runs)

      from(trial in store.trial,
        as: :trial,
        left_join: run in subquery(runs),
        as: :run,
        on: run.model_trial_id == field(trial, ^store.key)
      )
    end

    defp oldest(%Options{trial: trial, fields: fields, key: key}) do
      for field <- [fields.inserted_at, key],
          field in trial.__schema__(:fields),
          do: {:asc, field}
    end
  end
end
