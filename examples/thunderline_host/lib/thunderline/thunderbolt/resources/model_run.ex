defmodule Thunderline.Thunderbolt.ModelRun do
  @moduledoc "A search of Cerebros: what groups trials."

  use Ash.Resource, domain: Thunderline.Thunderbolt.Domain, data_layer: AshPostgres.DataLayer

  postgres do
    table "cerebros_model_runs"
    repo Thunderline.Repo
  end

  code_interface do
    define :report
    define :by_run_id, args: [:run_id], get?: true
  end

  actions do
    defaults [:read, :destroy]

    create :report do
      description "Creates the search with this run_id, or changes it."
      upsert? true
      upsert_identity :unique_run_id

      accept [
        :run_id,
        :state,
        :search_space_version,
        :max_params,
        :requested_trials,
        :completed_trials,
        :best_metric,
        :error_message,
        :metadata,
        :bridge_payload,
        :bridge_result,
        :started_at,
        :finished_at
      ]
    end

    read :by_run_id do
      argument :run_id, :string, allow_nil?: false
      filter expr(run_id == ^arg(:run_id))
    end
  end

  attributes do
    uuid_primary_key :id
    attribute :run_id, :string, allow_nil?: false, public?: true

    attribute :state, :atom,
      constraints: [one_of: [:initialized, :running, :succeeded, :failed, :cancelled]],
      default: :initialized,
      allow_nil?: false,
      public?: true

    attribute :search_space_version, :integer, public?: true
    attribute :max_params, :integer, public?: true
    attribute :requested_trials, :integer, public?: true
    attribute :completed_trials, :integer, public?: true
    attribute :best_metric, :float, public?: true
    attribute :error_message, :string, public?: true
    attribute :metadata, :map, default: %{}, public?: true
    attribute :bridge_payload, :map, default: %{}, public?: true
    attribute :bridge_result, :map, default: %{}, public?: true
    attribute :started_at, :utc_datetime_usec, public?: true
    attribute :finished_at, :utc_datetime_usec, public?: true
    create_timestamp :inserted_at
    update_timestamp :updated_at
  end

  relationships do
    has_many :trials, Thunderline.Thunderbolt.ModelTrial, destination_attribute: :model_run_id
  end

  identities do
    identity :unique_run_id, [:run_id]
  end
end
