defmodule Thunderline.Repo.Migrations.AddMlflowTables do
  @moduledoc "The tables of Thunderline's first sync worker, which a later migration upgrades."

  use Ecto.Migration

  def up do
    create table(:mlflow_experiments, primary_key: false) do
      add(:id, :uuid, null: false, primary_key: true)
      add(:mlflow_experiment_id, :text, null: false)
      add(:name, :text, null: false)
      add(:artifact_location, :text)
      add(:lifecycle_stage, :text, null: false, default: "active")
      add(:tags, :map, default: %{})
      add(:model_run_id, references(:cerebros_model_runs, type: :uuid))
      add(:synced_at, :utc_datetime)
      timestamps(type: :utc_datetime_usec)
    end

    create(unique_index(:mlflow_experiments, [:mlflow_experiment_id]))

    create table(:mlflow_runs, primary_key: false) do
      add(:id, :uuid, null: false, primary_key: true)
      add(:mlflow_run_id, :text, null: false)

      add(
        :mlflow_experiment_id,
        references(:mlflow_experiments, column: :mlflow_experiment_id, type: :text),
        null: false
      )

      add(:run_name, :text)
      add(:status, :text, null: false, default: "running")
      add(:start_time, :bigint)
      add(:end_time, :bigint)
      add(:artifact_uri, :text)
      add(:params, :map, default: %{})
      add(:metrics, :map, default: %{})
      add(:tags, :map, default: %{})
      add(:model_trial_id, references(:cerebros_model_trials, type: :uuid))
      add(:model_run_id, references(:cerebros_model_runs, type: :uuid))
      add(:synced_at, :utc_datetime)
      timestamps(type: :utc_datetime_usec)
    end

    create(unique_index(:mlflow_runs, [:mlflow_run_id]))
  end

  def down do
    drop(table(:mlflow_runs))
    drop(table(:mlflow_experiments))
  end
end
