defmodule MLflow.ModelRuns do
  @moduledoc """
  Model runs (searches, training jobs) in the embedded store; see `MLflow.ModelRun`.

      {:ok, search} = MLflow.ModelRuns.put(%{run_id: "search-1", state: :running})
      {:ok, trials} = MLflow.Trials.list(where: %{model_run_id: search.id})
  """

  alias MLflow.{Error, Instance, ModelRun}
  alias MLflow.Store.{Embedded, Row}

  @table "model_runs"

  @type result(value) :: {:ok, value} | {:error, Error.t()}

  @doc "Creates a model run; `run_id` is required and unique."
  @spec create(map | keyword, keyword) :: result(ModelRun.t())
  def create(attrs, opts \\ []) do
    case Map.new(attrs) do
      %{run_id: id} when is_binary(id) and id != "" ->
        insert(attrs, opts)

      %{"run_id" => id} when is_binary(id) and id != "" ->
        insert(attrs, opts)

      _ ->
        {:error,
         Error.new(:invalid, "model run", "a model run needs a :run_id, a non-empty string")}
    end
  end

  @doc "Creates the model run with this `run_id`, or changes it."
  @spec put(map | keyword, keyword) :: result(ModelRun.t())
  def put(attrs, opts \\ []), do: write(attrs, opts, &{:upsert, @table, "run_id", &1})

  @doc "Changes a model run, found by `id` or `run_id`."
  @spec update(String.t(), map | keyword, keyword) :: result(ModelRun.t())
  def update(id, attrs, opts \\ []) do
    with {:ok, found} <- get(id, opts),
         do: write(attrs, opts, &{:update, @table, found.id, &1})
  end

  @doc "A model run by `id` or `run_id`."
  @spec get(String.t(), keyword) :: result(ModelRun.t())
  def get(id, opts \\ []) do
    with {:ok, instance} <- Instance.fetch(opts),
         {:ok, nil} <- Embedded.find(instance, @table, "id", id),
         {:ok, nil} <- Embedded.find(instance, @table, "run_id", id) do
      {:error, Error.new(:not_found, "model run", "there is no model run #{inspect(id)}")}
    end
  end

  @doc "Model runs, oldest first. Options as for `MLflow.Trials.list/1`."
  @spec list(keyword) :: result([ModelRun.t()])
  def list(opts \\ []), do: MLflow.Store.Listing.list(@table, opts)

  defp insert(attrs, opts), do: write(attrs, opts, &{:insert, @table, &1})

  defp write(attrs, opts, request) do
    with {:ok, instance} <- Instance.fetch(opts),
         {:ok, row} <- Row.dump(attrs, @table),
         :ok <- check_state(row[:state]),
         {:ok, saved} <- Embedded.call(instance, request.(row)) do
      {:ok, Row.load(saved, @table)}
    end
  end

  defp check_state(nil), do: :ok

  defp check_state(state) do
    if Enum.any?(ModelRun.states(), &(Atom.to_string(&1) == to_string(state))) do
      :ok
    else
      known = Enum.map_join(ModelRun.states(), ", ", &inspect/1)
      message = "a model run's state is one of #{known}, got #{inspect(state)}"
      {:error, Error.new(:invalid, "model run", message)}
    end
  end
end
