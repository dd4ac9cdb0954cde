if Code.ensure_loaded?(Ecto.Schema) do
  defmodule MLflow.Store.Ecto.Schemas do
    @moduledoc false
    # The tables of `MLflow.Migration` as Ecto schemas. Those that name a trial or a search come once
    # for each type that a host's keys may have.

    @key_types %{uuid: Ecto.UUID, bigint: :integer, text: :string}

    @spec key_types() :: [atom]
    def key_types, do: Map.keys(@key_types)

    @doc "The schemas by table, for a host whose keys are `:uuid`, `:bigint` or `:text`."
    @spec of(atom) :: %{atom => module}
    def of(key_type) do
      %{
        experiments: named("Experiment", key_type),
        runs: named("Run", key_type),
        points: MLflow.Store.Ecto.Point,
        attempts: MLflow.Store.Ecto.Attempt,
        conflicts: MLflow.Store.Ecto.Conflict
      }
    end

    # Most hosts have UUIDs, so those schemas have the plain names.
    defp named(name, :uuid), do: Module.concat(MLflow.Store.Ecto, name)
    defp named(name, type), do: Module.concat([MLflow.Store.Ecto, name, "#{type}Keys"])

    for {key_type, ecto_type} <- @key_types do
      suffix = if key_type == :uuid, do: [], else: ["#{key_type}Keys"]

      defmodule Module.concat([MLflow.Store.Ecto, "Experiment" | suffix]) do
        @moduledoc false
        use Ecto.Schema

        @primary_key {:id, Ecto.UUID, autogenerate: true}
        @timestamps_opts [type: :utc_datetime_usec]

        schema "mlflow_experiments" do
          field(:mlflow_experiment_id, :string)
          field(:name, :string)
          field(:artifact_location, :string)
          field(:lifecycle_stage, :string)
          field(:tags, :map)
          field(:model_run_id, ecto_type)
          field(:synced_at, :utc_datetime_usec)
          timestamps()
        end
      end

      defmodule Module.concat([MLflow.Store.Ecto, "Run" | suffix]) do
        @moduledoc false
        # `base` is text and no JSON column: what both sides agreed on comes back as it was kept, to the
        # byte. `recorded_seq` is the last number given to a point, `local_seq` the last that went to one
        # recorded on this side, `points_seq` the last that the server has. `latest` has the latest point of
        # each metric, `reported` the value that the trial itself told last.
        use Ecto.Schema

        @primary_key {:id, Ecto.UUID, autogenerate: true}
        @timestamps_opts [type: :utc_datetime_usec]

        schema "mlflow_runs" do
          field(:mlflow_run_id, :string)
          field(:mlflow_experiment_id, :string)
          field(:run_name, :string)
          field(:status, :string)
          field(:start_time, :integer)
          field(:end_time, :integer)
          field(:artifact_uri, :string)
          field(:lifecycle_stage, :string)
          field(:params, :map)
          field(:metrics, :map)
          field(:tags, :map)
          field(:model_trial_id, ecto_type)
          field(:model_run_id, ecto_type)
          field(:base, :string)
          field(:digest, :integer)
          field(:points_seq, :integer)
          field(:recorded_seq, :integer, default: 0)
          field(:local_seq, :integer, default: 0)
          field(:latest, :map, default: %{})
          field(:reported, :map, default: %{})
          field(:claimed_by, :string)
          field(:claimed_until, :integer)
          field(:sync_error, :map)
          field(:synced_at, :utc_datetime_usec)
          timestamps()
        end
      end
    end
  end

  defmodule MLflow.Store.Ecto.Point do
    @moduledoc false
    use Ecto.Schema

    @primary_key false
    schema "mlflow_points" do
      field(:run_record_id, Ecto.UUID, primary_key: true)
      field(:seq, :integer, primary_key: true)
      field(:key, :string)
      field(:value, :float)
      field(:is_nan, :boolean)
      field(:step, :integer)
      field(:timestamp, :integer)
      field(:remote, :boolean)
    end
  end

  defmodule MLflow.Store.Ecto.Attempt do
    @moduledoc false
    use Ecto.Schema

    schema "mlflow_sync_attempts" do
      field(:instance, :string)
      field(:action, :string)
      field(:target, :string)
      field(:direction, :string)
      field(:result, :string)
      field(:mlflow_run_id, :string)
      field(:model_trial_id, :string)
      field(:mlflow_experiment_id, :string)
      field(:pushed, :integer)
      field(:pulled, :integer)
      field(:conflicts, :integer)
      field(:requests, :integer)
      field(:writes, :integer)
      field(:counts, :map)
      field(:error, :map)
      field(:started_at, :utc_datetime_usec)
      field(:duration_ms, :integer)
    end
  end

  defmodule MLflow.Store.Ecto.Conflict do
    @moduledoc false
    use Ecto.Schema

    schema "mlflow_sync_conflicts" do
      field(:attempt_id, :integer)
      field(:instance, :string)
      field(:mlflow_run_id, :string)
      field(:model_trial_id, :string)
      field(:field, :string)
      field(:key, :string)
      field(:local, :string)
      field(:remote, :string)
      field(:winner, :string)
      field(:at, :utc_datetime_usec)
    end
  end
end
