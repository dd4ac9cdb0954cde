if Code.ensure_loaded?(Ecto.Query) do
  defmodule MLflow.Store.Ecto do
    @moduledoc """
    Runs and experiments in the host's own database, through its Ecto repo; the trials are the host's.

    For applications on PostgreSQL that have their trials in Ecto schemas: `mix mlflow.gen.migration`
    writes the migration (see `MLflow.Migration`), and the instance is told where things are.

        {MLflow,
         store:
           {MLflow.Store.Ecto,
            repo: MyApp.Repo, trial: MyApp.ModelTrial, model_run: MyApp.ModelRun}}

    A trial is any schema that `MLflow.Trackable` can read: one with Thunderline's fields, or with fields
    of its own that it derives the protocol for. It is found by its primary key or its `trial_id`. What a
    pull changes is written into those of its fields that there are, in a transaction that refuses to
    write over what somebody else has changed there meanwhile.

    Nothing here raises for the database's sake: a connection that was lost, a pool that is exhausted or a
    table that is missing is an `%MLflow.Error{kind: :store, retryable: true}`.

    ## Options

      * `repo:` (required) - the host's repo, on PostgreSQL
      * `trial:` (required) - the schema of its trials
      * `model_run:` - the schema of its searches. One that a bridge reports is found by `run_id`
      * `prefix:` - the PostgreSQL schema that our tables are in; the host's own schemas say by themselves
        where theirs are
      * `writable:` - the fields of a trial that a pull may write; all but its keys and times by default
      * `update:` - a function of a trial and the changes, such as `&MyApp.ModelTrial.pull_changeset/2`,
        that answers the changeset by which the sync writes; `Ecto.Changeset.change/2` by default
      * `create:` - `true`, or a function of an empty trial and its attributes that answers a changeset:
        a trial that `MLflow.Cerebros` hears of and that is not there is created, and one that is there
        is updated. Without it the host writes its trials itself, and the hooks only find them
      * `put_model_run:` - the same for searches, of a `model_run:`

    A mistake in them ends the start of the instance with a `:config` error that says what to do.
    """

    use MLflow.Store.Host, tables: MLflow.Store.Ecto.Tables
  end
end
