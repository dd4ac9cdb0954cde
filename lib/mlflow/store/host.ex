defmodule MLflow.Store.Host do
  @moduledoc false
  # The rules of a store over a host's own tables, for whatever reaches those tables
  # (`MLflow.Store.Tables`). They are the embedded store's; what differs is that the trial is the host's
  # record and written by the host, so that
  #
  #   * a run's row is also the lock of its trial, and is there before the run is: claims and the numbers
  #     of points are taken from it by compare-and-swap,
  #   * the metrics that the record itself tells are recorded when the trial is loaded for a sync,
  #   * whether a trial changed is told from its `updated_at`, in whatever precision it has.
  #
  #     defmodule MLflow.Store.Ecto do
  #       use MLflow.Store.Host, tables: MLflow.Store.Ecto.Tables
  #     end

  alias MLflow.{Config, Error}
  alias MLflow.Store.Host.{Claims, Experiments, History, Linking, Reports, Runs, Sides, Trials}

  defmacro __using__(tables: tables) do
    quote do
      @behaviour MLflow.Store

      @impl true
      def open(config), do: MLflow.Store.Host.open(unquote(tables), config)

      @impl true
      def close(_instance), do: :ok

      unquote_splicing(Enum.map(calls(), &call(&1, tables)))
    end
  end

  defp calls, do: MLflow.Store.behaviour_info(:callbacks) -- [open: 1, close: 1]

  defp call({name, arity}, tables) do
    arguments = Macro.generate_arguments(arity - 1, __MODULE__)

    quote do
      @impl true
      def unquote(name)(instance, unquote_splicing(arguments)) do
        db = MLflow.Store.Host.Database.new(instance, unquote(tables))

        MLflow.Store.Host.Database.apart(db, fn ->
          MLflow.Store.Host.unquote(name)(db, unquote_splicing(arguments))
        end)
      end
    end
  end

  @doc "A mistake in the options ends the start of the instance as any other of its configuration does."
  @spec open(module, Config.t()) :: {:ok, term} | {:error, Error.t()}
  def open(tables, config) do
    tables.open(config)
  rescue
    mistake in ArgumentError -> {:error, Error.new(:config, "store", mistake.message)}
  end

  defdelegate claim_run(db, trial, experiment_id), to: Claims, as: :take
  defdelegate release_claim(db, record), to: Claims, as: :release
  defdelegate abandon_claim(db, record, since), to: Claims, as: :abandon

  defdelegate put_run(db, attrs), to: Linking
  defdelegate put_runs(db, many), to: Linking
  defdelegate unlink_run(db, trial, mlflow_run_id), to: Linking

  defdelegate put_sync_error(db, trial, error), to: Runs
  defdelegate fetch_run(db, mlflow_run_id), to: Runs
  defdelegate fetch_run_by_trial(db, trial_id), to: Runs
  defdelegate run_ids_in_experiment(db, experiment_id), to: Runs

  defdelegate append_points(db, trial_id, points), to: Trials
  defdelegate trial_points(db, trial_id, key), to: Trials
  defdelegate run_points(db, mlflow_run_id, key), to: Runs
  defdelegate put_run_points(db, mlflow_run_id, points), to: Runs

  defdelegate fetch_trial(db, id), to: Trials
  defdelegate load_for_sync(db, id), to: Trials
  defdelegate update_trial(db, trial, pull), to: Trials
  defdelegate trials_without_run(db, experiment_ids), to: Trials
  defdelegate due_trials(db, limit), to: Trials

  defdelegate local_sides(db, runs), to: Sides
  defdelegate in_step(db, seen), to: Sides

  defdelegate record_model_run(db, attrs), to: Reports
  defdelegate record_trial(db, attrs), to: Reports
  defdelegate trials_of_model_run(db, model_run_id), to: Reports

  defdelegate put_experiment(db, attrs), to: Experiments, as: :put
  defdelegate fetch_experiment(db, id), to: Experiments, as: :fetch

  defdelegate record_sync(db, attempt, conflicts), to: History, as: :record
  defdelegate sync_history(db, filter), to: History, as: :attempts
  defdelegate conflicts(db, filter), to: History
  defdelegate prune_history(db, before), to: History, as: :prune
end
