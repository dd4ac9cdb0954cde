defmodule MLflow.Trackable.Fields do
  @moduledoc """
  Which field of a record is what: the options of `MLflow.Trackable`'s derivation.

  | option | default | what the field holds |
  |---|---|---|
  | `id` | `:id` | the primary key |
  | `trial_id` | `:trial_id` | the application's own name of the trial, which becomes our tag |
  | `model_run_id` | `:model_run_id` | the search it belongs to |
  | `experiment_id` | `:mlflow_experiment_id` | MLflow's id of its experiment |
  | `name` | `:name` | the run's name; `"trial_<trial_id>"` where there is none |
  | `status` | `:status` | one of `MLflow.Trial.statuses/0`, of MLflow's own or of `statuses` |
  | `statuses` | `[]` | your statuses with MLflow's, such as `[done: :finished]` |
  | `params` | `[:hyperparameters, :parameters, :spectral_norm]` | maps, whose leaves become params by their dotted paths, and single values, which go by their field's name |
  | `metrics` | `[:metrics, :final_accuracy, :final_loss, :best_metric_value]` | the same for metrics; what is no number is left out |
  | `tags` | `:tags` | a map |
  | `started_at`, `completed_at` | the same | `DateTime`, `NaiveDateTime` or ms since the epoch |
  | `duration_ms` | `:duration_ms` | ms |
  | `artifact_uri`, `mlflow_run_id` | the same | what the sync notes in the trial |
  | `inserted_at`, `updated_at` | the same | when the record was made and last written |
  """

  alias MLflow.{Run, Trial}

  defstruct id: :id,
            trial_id: :trial_id,
            model_run_id: :model_run_id,
            experiment_id: :mlflow_experiment_id,
            name: :name,
            status: :status,
            statuses: [],
            params: [:hyperparameters, :parameters, :spectral_norm],
            metrics: [:metrics, :final_accuracy, :final_loss, :best_metric_value],
            tags: :tags,
            started_at: :started_at,
            completed_at: :completed_at,
            duration_ms: :duration_ms,
            artifact_uri: :artifact_uri,
            mlflow_run_id: :mlflow_run_id,
            inserted_at: :inserted_at,
            updated_at: :updated_at

  @type t :: %__MODULE__{}

  @doc "Thunderline's names."
  @spec thunderline() :: t
  def thunderline, do: %__MODULE__{}

  @doc "Whether a record has Thunderline's fields, of either shape."
  @spec thunderline?(term) :: boolean
  def thunderline?(%_{status: _} = record) do
    has? = &is_map_key(record, &1)

    (has?.(:id) or has?.(:trial_id)) and
      (has?.(:metrics) or has?.(:parameters) or has?.(:hyperparameters))
  end

  def thunderline?(_record), do: false

  @doc "The fields of a record: as its derivation names them, or else Thunderline's."
  @spec of(struct) :: t
  def of(record) do
    implementation = MLflow.Trackable.impl_for(record)

    # Asked before anything of it was called, it may not be loaded.
    if Code.ensure_loaded?(implementation) and function_exported?(implementation, :__fields__, 0),
      do: implementation.__fields__(),
      else: thunderline()
  end

  @doc false
  # Raises what a compiler should show: a derivation is written once, and read by whoever wrote it.
  def new(options, known, module) do
    Keyword.keyword?(options) ||
      raise ArgumentError,
            "MLflow.Trackable is derived with a keyword list, got #{inspect(options)}"

    Enum.each(options, fn {option, value} ->
      check_option!(option)
      Enum.each(named(option, value), &check_field!(&1, option, known, module))
    end)

    options |> normalize() |> then(&struct!(__MODULE__, &1))
  end

  defp named(:statuses, statuses) do
    for {_status, run_status} <- statuses do
      run_status in Run.statuses() ||
        raise ArgumentError,
              "`statuses` of MLflow.Trackable names MLflow's own (#{inspect(Run.statuses())}), " <>
                "got #{inspect(run_status)}"
    end

    []
  end

  defp named(_option, fields), do: List.wrap(fields)

  defp normalize(options) do
    Enum.map(options, fn
      {list, value} when list in [:params, :metrics] -> {list, List.wrap(value)}
      other -> other
    end)
  end

  defp check_option!(option) do
    options = Map.keys(%__MODULE__{}) -- [:__struct__]

    option in options ||
      raise ArgumentError,
            "unknown option #{inspect(option)} for MLflow.Trackable; " <>
              "did you mean #{inspect(nearest(option, options))}?"
  end

  defp check_field!(field, option, known, module) do
    field in known ||
      raise ArgumentError,
            "#{inspect(module)} has no field #{inspect(field)}, which MLflow.Trackable's " <>
              "#{inspect(option)} names; did you mean #{inspect(nearest(field, known))}?"
  end

  defp nearest(name, names), do: Enum.max_by(names, &String.jaro_distance("#{&1}", "#{name}"))

  @doc "The run status of a record's status; raises `ArgumentError` for one that nobody named."
  @spec run_status(t, atom | String.t() | nil) :: Run.status()
  def run_status(_fields, nil), do: Trial.run_status(nil)

  def run_status(fields, status) do
    case Enum.find(all_statuses(fields), fn {name, _} -> "#{name}" == "#{status}" end) do
      {_name, run_status} ->
        run_status

      nil ->
        raise ArgumentError,
              "a trial's status #{inspect(status)} means nothing to MLflow; derive " <>
                "MLflow.Trackable with statuses: [#{status}: :finished] or the like"
    end
  end

  @doc "What a record may call a run status, the likeliest first."
  @spec record_statuses(t, Run.status()) :: [atom]
  def record_statuses(fields, run_status) do
    own = for {name, ^run_status} <- fields.statuses, do: name
    usual = Trial.from_run_status(run_status)
    synonyms = for {name, ^run_status} <- Trial.statuses_of_runs(), do: name
    Enum.uniq(own ++ [usual | synonyms])
  end

  defp all_statuses(fields),
    do: fields.statuses ++ Trial.statuses_of_runs() ++ Enum.map(Run.statuses(), &{&1, &1})
end
