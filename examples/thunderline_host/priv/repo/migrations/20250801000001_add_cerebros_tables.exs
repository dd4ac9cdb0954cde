defmodule Thunderline.Repo.Migrations.AddCerebrosTables do
  use Ecto.Migration

  def change do
    now = fragment("(now() AT TIME ZONE 'utc')")

    create table(:cerebros_model_runs, primary_key: false) do
      add :id, :uuid, null: false, default: fragment("gen_random_uuid()"), primary_key: true
      add :run_id, :text, null: false
      add :state, :text, null: false, default: "initialized"
      add :search_space_version, :bigint
      add :max_params, :bigint
      add :requested_trials, :bigint
      add :completed_trials, :bigint
      add :best_metric, :float
      add :error_message, :text
      add :metadata, :map, default: %{}
      add :bridge_payload, :map, default: %{}
      add :bridge_result, :map, default: %{}
      add :started_at, :utc_datetime_usec
      add :finished_at, :utc_datetime_usec
      add :inserted_at, :utc_datetime_usec, null: false, default: now
      add :updated_at, :utc_datetime_usec, null: false, default: now
    end

    create unique_index(:cerebros_model_runs, [:run_id],
             name: "cerebros_model_runs_unique_run_id_index"
           )

    create table(:cerebros_model_trials, primary_key: false) do
      add :id, :uuid, null: false, default: fragment("gen_random_uuid()"), primary_key: true
      add :trial_id, :text, null: false
      add :model_run_id, references(:cerebros_model_runs, type: :uuid, on_delete: :delete_all)
      add :status, :text, null: false
      add :metrics, :map, default: %{}
      add :parameters, :map, default: %{}
      add :spectral_norm, :boolean, default: false
      add :mlflow_run_id, :text
      add :artifact_uri, :text
      add :duration_ms, :bigint
      add :rank, :bigint
      add :warnings, {:array, :text}, default: []
      add :candidate_id, :text
      add :pulse_id, :text
      add :bridge_payload, :map, default: %{}
      add :inserted_at, :utc_datetime_usec, null: false, default: now
      add :updated_at, :utc_datetime_usec, null: false, default: now
    end

    create unique_index(:cerebros_model_trials, [:trial_id],
             name: "cerebros_model_trials_unique_trial_id_index"
           )
  end
end
