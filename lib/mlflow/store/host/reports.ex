defmodule MLflow.Store.Host.Reports do
  @moduledoc false
  # What a training bridge reports, where the host does not write it itself.

  alias MLflow.{Error, Run, Store}
  alias MLflow.Store.Host.{Columns, Database, Trials}

  # Where the host writes its searches itself and they are not known here, its own name has to do: it
  # leads to no trial, and no record keeps it.
  @spec record_model_run(Database.t(), map) :: Store.result(String.t())
  def record_model_run(db, attrs) do
    case db.tables.put_model_run(db.handle, Columns.clean(attrs)) do
      :unsupported -> {:ok, to_string(attrs.run_id)}
      answer -> answer
    end
  end

  @spec record_trial(Database.t(), map) :: Store.result(String.t())
  def record_trial(db, attrs) do
    attrs = Columns.clean(attrs)

    with {:ok, trial_id} <- named(attrs),
         {:ok, record} <-
           Database.until_settled(fn -> find_or_create(db, trial_id, attrs) end),
         do: {:ok, Trials.key(db, record)}
  end

  defp named(%{trial_id: id}) when is_binary(id) and id != "", do: {:ok, id}

  defp named(_attrs) do
    message = "a trial needs a :trial_id, a non-empty string that no other trial has"
    {:error, Error.new(:invalid, "trial", message)}
  end

  defp find_or_create(db, trial_id, attrs) do
    case Trials.find(db, trial_id) do
      {:ok, nil} ->
        create(db, trial_id, attrs)

      {:ok, record} ->
        db.tables.update_trial(db.handle, record, Map.delete(attrs, :trial_id), :report)

      error ->
        error
    end
  end

  defp create(db, trial_id, attrs) do
    case db.tables.create_trial(db.handle, attrs) do
      {:error, %Error{kind: :already_exists}} -> :again
      :unsupported -> {:error, not_written(trial_id)}
      answer -> answer
    end
  end

  defp not_written(trial_id) do
    message =
      "there is no trial #{inspect(trial_id)} in the host's tables, which the host writes itself: " <>
        "write it first, or give the store's options a way to create it"

    Error.new(:not_found, "trial", message)
  end

  @spec trials_of_model_run(Database.t(), String.t()) :: Store.result([{String.t(), boolean}])
  def trials_of_model_run(db, model_run_id) do
    case Database.trial_fields(db).model_run_id do
      nil ->
        {:ok, []}

      field ->
        with [id] <- Database.castable(db, :trials, field, [model_run_id]),
             {:ok, records} <- Database.all(db, :trials, [{field, id}]) do
          {:ok, Enum.map(records, &{Trials.key(db, &1), ended?(db, &1)})}
        else
          [] -> {:ok, []}
          error -> error
        end
    end
  end

  defp ended?(db, record), do: Run.terminal?(Trials.to_trial_of_list(db, record, nil).status)
end
