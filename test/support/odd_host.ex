if Code.ensure_loaded?(Ecto.Migration) do
  defmodule MLflow.OddTrial do
    @moduledoc "A trial whose columns are of every type that a host may come up with."
    use Ecto.Schema

    @derive {MLflow.Trackable,
             trial_id: :code,
             duration_ms: :took,
             tags: :labels,
             params: [:config, :blob, :day, :cost],
             metrics: [:scores]}
    @primary_key {:id, :id, autogenerate: true}
    schema "odd_trials" do
      field(:code, :integer)
      field(:status, :string, default: "running")
      field(:name, :string)
      field(:took, :float)
      field(:labels, :map)
      field(:config, :map)
      field(:scores, :map)
      field(:blob, :binary)
      field(:day, :date)
      field(:cost, :decimal)
      field(:completed_at, :utc_datetime)
      timestamps(type: :utc_datetime_usec)
    end
  end

  defmodule MLflow.OddTables do
    @moduledoc "Its table, and ours in a schema of their own."
    use Ecto.Migration

    def up do
      create table(:odd_trials) do
        add(:code, :bigint)
        add(:status, :string)
        add(:name, :string)
        add(:took, :float)
        add(:labels, :map)
        add(:config, :map)
        add(:scores, :map)
        add(:blob, :binary)
        add(:day, :date)
        add(:cost, :decimal)
        add(:completed_at, :utc_datetime)
        timestamps(type: :utc_datetime_usec)
      end

      flush()

      MLflow.Migration.up(
        version: 1,
        prefix: "odd",
        trials: "odd_trials",
        host_prefix: "public",
        key_type: :bigint
      )
    end

    def down do
      MLflow.Migration.down(version: 1, prefix: "odd")
      drop(table(:odd_trials))
    end
  end
end
