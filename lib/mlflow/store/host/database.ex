defmodule MLflow.Store.Host.Database do
  @moduledoc false
  # The host's tables as an instance reaches them.

  alias MLflow.{Config, Error, Instance}
  alias MLflow.Store.Tables

  @enforce_keys [:tables, :handle, :name, :config]
  defstruct [:tables, :handle, :name, :config]

  @type t :: %__MODULE__{tables: module, handle: term, name: atom, config: Config.t()}
  @type result(value) :: {:ok, value} | {:error, Error.t()}

  @spec new(Instance.t(), module) :: t
  def new(%Instance{store: handle, name: name, config: config}, tables),
    do: %__MODULE__{tables: tables, handle: handle, name: name, config: config}

  @spec all(t, Tables.table(), Tables.filter(), Tables.read_opts()) :: result([map])
  def all(db, table, filter, opts \\ []), do: db.tables.all(db.handle, table, filter, opts)

  @doc "The one row, or `nil`."
  @spec one(t, Tables.table(), Tables.filter(), Tables.read_opts()) :: result(map | nil)
  def one(db, table, filter, opts \\ []) do
    with {:ok, rows} <- all(db, table, filter, [limit: 1] ++ opts), do: {:ok, List.first(rows)}
  end

  @spec insert(t, Tables.table(), map) :: result(map)
  def insert(db, table, row), do: db.tables.insert(db.handle, table, row)

  @spec insert_all(t, Tables.table(), [map]) :: result(non_neg_integer)
  def insert_all(_db, _table, []), do: {:ok, 0}
  def insert_all(db, table, rows), do: db.tables.insert_all(db.handle, table, rows)

  @spec update_all(t, Tables.table(), Tables.filter(), map) :: result([map])
  def update_all(db, table, filter, changes),
    do: db.tables.update_all(db.handle, table, filter, changes)

  @spec delete_all(t, Tables.table(), Tables.filter()) :: result(non_neg_integer)
  def delete_all(db, table, filter), do: db.tables.delete_all(db.handle, table, filter)

  @spec transaction(t, (() -> result(value))) :: result(value) when value: var
  def transaction(db, fun), do: db.tables.transaction(db.handle, fun)

  @doc "Runs a whole call of the store, which leaves a transaction of the host's as it was if it fails."
  @spec apart(t, (() -> answer)) :: answer | {:error, Error.t()} when answer: term
  def apart(db, fun), do: db.tables.apart(db.handle, fun)

  @doc "Those of a user's texts that can be values of the column at all."
  @spec castable(t, Tables.table(), atom, [String.t()]) :: [String.t()]
  def castable(db, table, field, texts),
    do: Enum.filter(texts, &match?({:ok, _}, db.tables.cast(db.handle, table, field, &1)))

  @doc "The row without the search that it names, where that cannot be a key of the host's searches."
  @spec without_stranger(t, Tables.table(), map) :: map
  def without_stranger(db, table, %{model_run_id: id} = row) when id != nil do
    if castable(db, table, :model_run_id, [to_string(id)]) == [],
      do: Map.delete(row, :model_run_id),
      else: row
  end

  def without_stranger(_db, _table, row), do: row

  @doc "The trial's columns, and those of them that mean something to us."
  @spec trial_fields(t) :: %{
          all: [atom],
          writable: [atom],
          key: atom,
          trial_id: atom | nil,
          model_run_id: atom | nil,
          updated_at: atom | nil
        }
  def trial_fields(db) do
    given = db.tables.trial_fields(db.handle)
    own = fn field -> if field in given.all, do: field end

    %{key: :id}
    |> Map.merge(Map.new([:trial_id, :model_run_id, :updated_at], &{&1, own.(&1)}))
    |> Map.merge(given)
  end

  @doc """
  Answers what `attempt` does, which is made anew as long as it answers `:again`: somebody else was
  first, and what they did must be looked at.
  """
  @spec until_settled((() -> :again | result(value)), pos_integer) :: result(value)
        when value: var
  def until_settled(attempt, tries \\ 20) do
    case attempt.() do
      :again when tries > 1 -> until_settled(attempt, tries - 1)
      :again -> {:error, contended()}
      answer -> answer
    end
  end

  defp contended do
    message = "others wrote the same row again and again: try later"
    Error.new(:conflict, "store", message, retryable: true)
  end

  @doc "What `fun` answers of each item, in their order; the first error counts."
  @spec map([item], (item -> result(value))) :: result([value]) when item: var, value: var
  def map(items, fun) do
    Enum.reduce_while(items, {:ok, []}, fn item, {:ok, values} ->
      case fun.(item) do
        {:ok, value} -> {:cont, {:ok, [value | values]}}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
    |> case do
      {:ok, values} -> {:ok, Enum.reverse(values)}
      error -> error
    end
  end
end
