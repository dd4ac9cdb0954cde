if Code.ensure_loaded?(Ash) do
  defmodule MLflow.Store.Ash.Waiting do
    @moduledoc false
    # Which of the host's trials want something, told by their relationship to their run.
    #
    # The database answers those that may be due; whether they are is told from the records, where times,
    # statuses and errors are compared as they mean it, whatever types the host and its data layer have.

    require Ash.Expr
    require Ash.Query
    require Ash.Sort

    alias Ash.Resource.Info
    alias MLflow.{Run, Trackable, Trial}
    alias MLflow.Store.Ash.{Failure, Options, Rows, Values}
    alias MLflow.Store.Host.{Points, Version}

    @told [
      :mlflow_run_id,
      :sync_error,
      :synced_at,
      :points_seq,
      :local_seq,
      :model_trial_id,
      :updated_at
    ]

    @spec trials_without_run(Options.t(), String.t() | nil) :: {:ok, [struct]} | {:error, term}
    def trials_without_run(handle, experiment_id) do
      field = Options.fields(handle).experiment_id

      if experiment_id != nil and Info.attribute(handle.trial, field) == nil do
        {:ok, []}
      else
        query =
          handle.trial
          |> Ash.Query.filter(not exists(mlflow_run, not is_nil(mlflow_run_id)))
          |> of_experiment(field, experiment_id)
          |> oldest_first(handle)

        guard(handle, fn -> Rows.read(query, nil, handle.call) end)
      end
    end

    defp of_experiment(query, field, id) do
      if Info.attribute(query.resource, field),
        do: Ash.Query.filter(query, ^[{field, if(id, do: [eq: id], else: [is_nil: true])}]),
        else: query
    end

    defp oldest_first(query, handle) do
      fields =
        Enum.filter([Options.fields(handle).inserted_at], &Info.attribute(query.resource, &1))

      Ash.Query.sort(query, fields ++ Info.primary_key(query.resource))
    end

    @spec due_trials(Options.t(), pos_integer) :: {:ok, [struct]} | {:error, term}
    def due_trials(handle, limit) do
      query =
        handle.trial
        |> maybe_due(handle)
        |> Ash.Query.sort([
          {Ash.Sort.expr_sort(mlflow_run.updated_at, :utc_datetime_usec), :asc_nils_first}
        ])
        |> oldest_first(handle)
        |> Ash.Query.load(mlflow_run: run_query(handle))

      guard(handle, fn -> Rows.collect(query, limit, handle.call, &due?/1) end)
    end

    defp run_query(handle), do: Ash.Query.select(handle.tables.runs, @told)

    defp maybe_due(query, handle) do
      fields = Options.fields(handle)

      Ash.Query.filter(
        query,
        not exists(mlflow_run, not is_nil(id)) or
          exists(mlflow_run, ^out_of_step(handle, fields)) or
          ^unfinished(handle, fields)
      )
    end

    defp out_of_step(handle, fields) do
      Ash.Expr.expr(
        is_nil(mlflow_run_id) or is_nil(synced_at) or not is_nil(sync_error) or
          local_seq > points_seq or (is_nil(points_seq) and local_seq > 0) or
          ^behind(handle, fields)
      )
    end

    # Of a trial that does not tell when it was written, nobody knows.
    defp behind(handle, %{updated_at: field}) do
      if Info.attribute(handle.trial, field),
        do:
          Ash.Expr.expr(
            synced_at < parent(^Ash.Expr.ref(field)) or
              synced_at >= datetime_add(parent(^Ash.Expr.ref(field)), 1, :millisecond)
          ),
        else: Ash.Expr.expr(is_nil(synced_at) or not is_nil(synced_at))
    end

    # Where statuses have names of the host's own, what is finished is told from the records.
    defp unfinished(handle, %{status: field, statuses: own}) do
      finished =
        for {name, run_status} <- own ++ Trial.statuses_of_runs(),
            Run.terminal?(run_status),
            {:ok, value} <- [Values.cast(handle.trial, field, Atom.to_string(name))],
            do: value

      if finished == [],
        do: Ash.Expr.expr(true),
        else: Ash.Expr.expr(is_nil(^Ash.Expr.ref(field)) or ^Ash.Expr.ref(field) not in ^finished)
    end

    defp due?(%{mlflow_run: nil}), do: true

    # One that failed for good comes back only when it was written after that.
    defp due?(%{mlflow_run: %{sync_error: %{"retryable" => false} = error}} = trial),
      do:
        Version.since?(
          trial,
          error["version"] && DateTime.from_unix!(error["version"], :millisecond)
        )

    defp due?(%{mlflow_run: run} = trial) do
      run.sync_error != nil or run.mlflow_run_id == nil or run.synced_at == nil or
        Points.unsent?(run) or unfinished?(trial) or Version.since?(trial, run.synced_at)
    end

    # A status that nobody named is a mistake that its sync will tell.
    defp unfinished?(trial) do
      not Run.terminal?(Trackable.to_trial(trial).status)
    rescue
      _mistake -> true
    end

    defp guard(handle, fun) do
      action = Info.primary_action(handle.trial, :read).name
      Failure.guard(handle.trial, action, fun)
    end
  end
end
