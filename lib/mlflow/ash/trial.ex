if Code.ensure_loaded?(Ash.Resource) do
  defmodule MLflow.Ash.Trial do
    @moduledoc """
    Leads from the host's own trials to their runs.

        defmodule MyApp.ModelTrial do
          use Ash.Resource, domain: MyApp.Tracking, data_layer: AshPostgres.DataLayer
          use MLflow.Ash.Trial, run: MyApp.MLflow.Run
          # …
        end

        trial = Ash.load!(trial, :mlflow_run)
        trial.mlflow_run.status

    It adds the relationship `mlflow_run`, which `MLflow.Store.Ash` finds the trials by that want a sync,
    and no column.

    ## Options

      * `run:` - the resource with `use MLflow.Ash.Run`
      * `key:` - the trial's primary key, where that is not `:id`
    """

    @doc false
    defmacro __using__(opts) do
      run =
        opts[:run] ||
          raise ArgumentError,
                "use MLflow.Ash.Trial needs the resource of the runs: give run: MyApp.MLflow.Run"

      key = opts[:key] || :id

      quote do
        relationships do
          has_one :mlflow_run, unquote(run) do
            source_attribute(unquote(key))
            destination_attribute(:model_trial_id)
            public?(true)
          end
        end
      end
    end
  end
end
