defmodule MLflow.Store.Tables do
  @moduledoc false
  # What `MLflow.Store.Host` needs of a host's database: a few primitives over six tables, so that the
  # rules of the store (claims, watermarks, what a pull may write) are written once, for Ecto and for
  # Ash alike.
  #
  # Rows of our own tables go in as maps of columns and come out as structs or maps with atom keys:
  # times are `DateTime`s in µs, statuses are atoms, ids are strings. Trials are the host's own
  # records and come as they are.
  #
  # The store fills in `id`, `inserted_at` and `updated_at` of new rows. `updated_at` among the changes of a
  # row is when a sync was last at it; a table that keeps that by itself may ignore it.
  #
  # | table | a row is | found by |
  # |---|---|---|
  # | `:experiments` | an `MLflow.ExperimentRecord` | `id` (UUID), `mlflow_experiment_id` (unique) |
  # | `:runs` | an `MLflow.RunRecord`, or what is known of a trial before it has a run | `id` (UUID), `mlflow_run_id` and `model_trial_id` (unique, may be nil) |
  # | `:points` | a point of a run record's series | `run_record_id` and `seq` (its primary key) |
  # | `:attempts` | an `MLflow.SyncAttempt` | `id` (integer, growing) |
  # | `:conflicts` | an `MLflow.Conflict` | `id` (integer, growing), `attempt_id` |
  # | `:trials` | a record of the host's | its primary key, and its `trial_id` where it has one |

  alias MLflow.{Config, Error}

  @type handle :: term
  @type table :: :experiments | :runs | :points | :attempts | :conflicts | :trials
  @type result(value) :: {:ok, value} | {:error, Error.t()}

  @typedoc "All of these hold. `{field, nil}` is a null, `{field, {:in, values}}` one of several."
  @type filter :: [
          {atom, term}
          | {atom, {:in, [term]}}
          | {atom, {:gt | :gte | :lt | :lte, term}}
          | {atom, :not_nil}
        ]

  @typedoc """
    * `:order_by` - `[asc: field]` or `[desc: field]`, several where one does not decide
    * `:limit` - no more rows than that
    * `:select` - only these columns are needed
    * `:lock` - true: nobody else changes the rows until the transaction ends, where the database can
  """
  @type read_opts :: keyword

  @doc "Checks the store's options; raises `ArgumentError` with what to do. The handle goes with each call."
  @callback open(Config.t()) :: result(handle)

  @callback all(handle, table, filter, read_opts) :: result([map])

  @doc "Adds a row. A unique column that is taken is an `:already_exists` error, and a later statement works."
  @callback insert(handle, table, map) :: result(map)

  @doc "Adds many rows, in statements as large as the database takes; all or none."
  @callback insert_all(handle, table, [map]) :: result(non_neg_integer)

  @doc """
  Changes the rows that the filter matches at the moment of writing, in one statement where the
  database can, and answers them as they are now. What depends on this being atomic: claims, and the
  numbering of points.
  """
  @callback update_all(handle, table, filter, changes :: map) :: result([map])

  @callback delete_all(handle, table, filter) :: result(non_neg_integer)

  @doc """
  Runs a whole call of the store. Where the caller is in a transaction of its own, an error leaves that as
  it was before.
  """
  @callback apart(handle, (() -> answer)) :: answer | {:error, Error.t()} when answer: term

  @doc """
  Runs the function in a transaction that an error rolls back; or in the one that is open already, of
  which that is up to whoever opened it.
  """
  @callback transaction(handle, (() -> result(value))) :: result(value) when value: var

  @doc """
  A user's text, or what a pull would write, as a value of a column; `:error` if it cannot be one, such
  as a UUID that is none.
  """
  @callback cast(handle, table, field :: atom, term) :: {:ok, term} | :error

  @doc """
  The trial's columns, and which of them the host lets a pull write. Where they are called otherwise,
  also `key:` (its primary key, `:id`), `trial_id:`, `model_run_id:` and `updated_at:` (the same).
  """
  @callback trial_fields(handle) :: %{
              required(:all) => [atom],
              required(:writable) => [atom],
              optional(:key | :trial_id | :model_run_id | :updated_at) => atom | nil
            }

  @doc """
  Writes a trial through the action or changeset that the host named; `why` is `:pull`, `:link` or
  `:report`. Where the host writes its trials itself, a `:report` leaves the trial as it is.
  """
  @callback update_trial(handle, record :: struct, changes :: map, why :: atom) :: result(struct)

  @doc "Creates a trial that a bridge reported; `:unsupported` where the host named no way to."
  @callback create_trial(handle, attrs :: map) :: result(struct) | :unsupported

  @doc "Finds a search by its `run_id` and changes it, or creates it; its id, or `:unsupported`."
  @callback put_model_run(handle, attrs :: map) :: result(id :: String.t()) | :unsupported

  @doc """
  Trials without a run: of an experiment (where trials have an `mlflow_experiment_id`) or, for `nil`,
  those that name none.
  """
  @callback trials_without_run(handle, mlflow_experiment_id :: String.t() | nil) ::
              result([struct])

  @doc """
  Trials that want a sync, those never attempted first, then by their last attempt: without a run,
  unfinished, with points that were not sent (a `local_seq` after `points_seq`), failed in a way that
  may pass, or written after their run's `synced_at` (after the `version` in `sync_error`, where that is
  not retryable).
  """
  @callback due_trials(handle, limit :: pos_integer) :: result([struct])
end
