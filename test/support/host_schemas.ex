if Code.ensure_loaded?(Ecto.Schema) do
  defmodule MLflow.HostSearch do
    @moduledoc "Thunderline's `ModelRun` as a plain Ecto schema."
    use Ecto.Schema

    @primary_key {:id, :binary_id, autogenerate: true}
    @timestamps_opts [type: :utc_datetime_usec]

    schema "cerebros_model_runs" do
      field(:run_id, :string)
      field(:state, Ecto.Enum, values: [:initialized, :running, :succeeded, :failed, :cancelled])
      field(:completed_trials, :integer)
      field(:metadata, :map, default: %{})
      timestamps()
    end
  end

  defmodule MLflow.HostTrial do
    @moduledoc "Thunderline's `ModelTrial` as a plain Ecto schema, with trials that go on for a while."
    use Ecto.Schema

    @primary_key {:id, :binary_id, autogenerate: true}
    @foreign_key_type :binary_id
    @timestamps_opts [type: :utc_datetime_usec]

    schema "cerebros_model_trials" do
      field(:trial_id, :string)

      field(:status, Ecto.Enum,
        values: [:pending, :running, :succeeded, :failed, :skipped, :cancelled],
        default: :running
      )

      field(:metrics, :map, default: %{})
      field(:parameters, :map, default: %{})
      field(:spectral_norm, :boolean, default: false)
      field(:mlflow_run_id, :string)
      field(:artifact_uri, :string)
      field(:duration_ms, :integer)
      field(:rank, :integer)
      field(:warnings, {:array, :string}, default: [])
      field(:candidate_id, :string)
      field(:pulse_id, :string)
      field(:bridge_payload, :map, default: %{})
      belongs_to(:model_run, MLflow.HostSearch)
      timestamps()
    end

    @doc "What this host lets a sync write, and how."
    def pull_changeset(trial, changes),
      do: Ecto.Changeset.cast(trial, changes, [:status, :metrics, :parameters, :mlflow_run_id])
  end

  defmodule MLflow.CoarseTrial do
    @moduledoc "The same table through a schema whose times are in whole seconds, and its status a text."
    use Ecto.Schema

    @primary_key {:id, :binary_id, autogenerate: true}

    schema "cerebros_model_trials" do
      field(:trial_id, :string)
      field(:status, :string, default: "running")
      field(:metrics, :map, default: %{})
      field(:parameters, :map, default: %{})
      timestamps()
    end
  end

  defmodule MLflow.NumberedTrial do
    @moduledoc "A trial with names of its own for everything, and a number for its key."
    use Ecto.Schema

    @derive {MLflow.Trackable,
             id: :number,
             trial_id: :code,
             experiment_id: :experiment,
             name: :title,
             status: :phase,
             statuses: [open: :running, done: :finished, broken: :failed],
             params: [:config],
             metrics: [:loss],
             mlflow_run_id: :run,
             updated_at: :changed_at,
             inserted_at: :made_at}
    @primary_key {:number, :id, autogenerate: true}
    schema "numbered_trials" do
      field(:code, :string)
      field(:experiment, :string)
      field(:title, :string)
      field(:phase, Ecto.Enum, values: [:open, :done, :broken])
      field(:config, :map)
      field(:loss, :float)
      field(:run, :string)
      timestamps(inserted_at: :made_at, updated_at: :changed_at, type: :utc_datetime)
    end
  end

  defmodule MLflow.HostWorld do
    @moduledoc "The host of `MLflow.StoreContract` whose trials are in PostgreSQL."

    import Ecto.Query

    alias MLflow.{HostSearch, HostTrial, TestRepo}

    @doc "The options of an instance on the host's tables, all of which are emptied."
    def options(opts \\ []) do
      MLflow.Postgres.clean!()
      [store: {MLflow.Store.Ecto, store_options(opts)}, queue: MLflow.NoQueue]
    end

    def store_options(opts \\ []),
      do: Keyword.merge([repo: TestRepo, trial: HostTrial, model_run: HostSearch], opts)

    def create!(_name, attrs), do: HostTrial |> struct!(attrs) |> TestRepo.insert!()

    def update!(name, trial_id, attrs),
      do: name |> get!(trial_id) |> Ecto.Changeset.change(attrs) |> TestRepo.update!()

    def get!(_name, trial_id), do: TestRepo.get_by!(HostTrial, trial_id: trial_id)

    @doc "All that was written so far was written a while ago."
    def age!(_name) do
      earlier = ~U[2024-01-01 00:00:00.123456Z]
      TestRepo.update_all(from(t in HostTrial), set: [updated_at: earlier, inserted_at: earlier])
    end
  end
end
