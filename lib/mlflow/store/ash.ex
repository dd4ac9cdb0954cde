if Code.ensure_loaded?(Ash) do
  defmodule MLflow.Store.Ash do
    @moduledoc """
    Trials and runs in the host's own Ash resources.

    Everything is read and written through the actions of these resources, with the actor and the tenant
    that are given here, so that the host's policies, notifiers and multitenancy apply. Whatever data layer
    they have serves; on AshPostgres the tables are those of `MLflow.Migration`.

        {MLflow,
         name: MyApp.MLflow,
         tracking_uri: "http://mlflow:5000",
         store:
           {MLflow.Store.Ash,
            experiment: MyApp.MLflow.Experiment,
            run: MyApp.MLflow.Run,
            point: MyApp.MLflow.Point,
            attempt: MyApp.MLflow.SyncAttempt,
            conflict: MyApp.MLflow.Conflict,
            trial: {MyApp.ModelTrial, update: :mlflow_pull},
            actor: %MyApp.SystemActor{}}}

    ## Options

      * `experiment:`, `run:`, `point:`, `attempt:`, `conflict:` - the resources with
        `use MLflow.Ash.Experiment`, `MLflow.Ash.Run`, `MLflow.Ash.Point`, `MLflow.Ash.SyncAttempt` and
        `MLflow.Ash.Conflict`
      * `trial:` - the host's trials, which have `use MLflow.Ash.Trial`, and are what `MLflow.Trackable` says;
        alone or with the actions that may write them, all of them optional:
        * `update:` - writes what a pull found; of its fields only those that it accepts. Without one, the
          primary update action is used if there is one
        * `link:` - notes a trial's run; the same as `update:` by default
        * `create:` - creates a trial that a training bridge reports; without one, the host writes its
          trials itself
        * `report:` - updates one that a bridge reports again; the primary update action by default
      * `model_run:` - the host's searches, alone or with `create:` and `update:`, which keep what a training
        bridge reports
      * `actor:` - on whose behalf; given to every action
      * `tenant:` - the tenant; needed where a resource is multitenant. Two tenants are two instances
      * `authorize?:` - whether policies are asked (default: true)

    A mistake among them ends the start of the instance with what to do.

    ## What a policy must allow

    The actor reads and destroys rows of the five resources by their primary actions, creates them by
    `create` and changes them by `sync`; it reads trials and uses the actions that are named above. What is
    forbidden is a `:forbidden` error that names resource and action, and ends a job for good.

    Trials that the actor may not read do not exist for this store.
    """

    use MLflow.Store.Host, tables: MLflow.Store.Ash.Tables
  end
end
