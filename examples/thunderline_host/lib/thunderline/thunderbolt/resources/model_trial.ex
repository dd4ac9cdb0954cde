defmodule Thunderline.Thunderbolt.ModelTrial do
  @moduledoc "A trial of a search, as Cerebros reports it when it has ended."

  use Ash.Resource, domain: Thunderline.Thunderbolt.Domain, data_layer: AshPostgres.DataLayer
  use MLflow.Ash.Trial, run: Thunderline.Thunderbolt.MLflow.Run

  postgres do
    table "cerebros_model_trials"
    repo Thunderline.Repo

    references do
      reference :model_run, on_delete: :delete
    end
  end

  code_interface do
    define :report
    define :by_trial_id, args: [:trial_id], get?: true
    define :of_model_run, args: [:model_run_id]
  end

  actions do
    defaults [:read, :destroy]

    create :report do
      description "Creates the trial with this trial_id, or changes it."
      upsert? true
      upsert_identity :unique_trial_id

      accept [
        :trial_id,
        :model_run_id,
        :status,
        :metrics,
        :parameters,
        :spectral_norm,
        :artifact_uri,
        :duration_ms,
        :rank,
        :warnings,
        :candidate_id,
        :pulse_id,
        :bridge_payload
      ]
    end

    update :sync_from_mlflow do
      description "What was changed in MLflow. The status is Cerebros' to tell."
      accept [:metrics, :parameters, :artifact_uri]
      require_atomic? false
    end

    update :link_mlflow_run do
      accept [:mlflow_run_id, :artifact_uri]
      require_atomic? false
    end

    read :by_trial_id do
      argument :trial_id, :string, allow_nil?: false
      filter expr(trial_id == ^arg(:trial_id))
    end

    read :of_model_run do
      argument :model_run_id, :uuid, allow_nil?: false
      filter expr(model_run_id == ^arg(:model_run_id))
    end
  end

  attributes do
    uuid_primary_key :id
    attribute :trial_id, :string, allow_nil?: false, public?: true

    attribute :status, :atom,
      constraints: [one_of: [:succeeded, :failed, :skipped, :cancelled]],
      allow_nil?: false,
      public?: true

    attribute :metrics, :map, default: %{}, public?: true
    attribute :parameters, :map, default: %{}, public?: true
    attribute :spectral_norm, :boolean, default: false, public?: true
    attribute :mlflow_run_id, :string, public?: true
    attribute :artifact_uri, :string, public?: true
    attribute :duration_ms, :integer, public?: true
    attribute :rank, :integer, public?: true
    attribute :warnings, {:array, :string}, default: [], public?: true
    attribute :candidate_id, :string, public?: true
    attribute :pulse_id, :string, public?: true
    attribute :bridge_payload, :map, default: %{}, public?: true
    create_timestamp :inserted_at
    update_timestamp :updated_at
  end

  relationships do
    belongs_to :model_run, Thunderline.Thunderbolt.ModelRun, public?: true
  end

  identities do
    identity :unique_trial_id, [:trial_id]
  end
end
