defmodule MLflow.SyncWorker.Request do
  @moduledoc false
  # A job as a queue is asked for it: `t:MLflow.Queue.new/0`, from the action and what it is about.

  @type action ::
          :sync_trial_to_mlflow
          | :sync_mlflow_to_trial
          | :sync_experiment
          | :create_run
          | :ensure_experiment

  @doc "The target of `:create_run` is `{trial_id, experiment_id}`. Option: `model_run_id:`."
  @spec new(action, term, keyword) :: MLflow.Queue.new()
  def new(action, target, opts \\ [])

  def new(:sync_trial_to_mlflow, trial_id, _opts) do
    args = %{"trial_id" => string!(trial_id, :trial_id)}
    request("sync_trial_to_mlflow", args, "trial:#{trial_id}")
  end

  def new(:sync_mlflow_to_trial, mlflow_run_id, _opts) do
    args = %{"mlflow_run_id" => string!(mlflow_run_id, :mlflow_run_id)}
    request("sync_mlflow_to_trial", args, "run:#{mlflow_run_id}")
  end

  def new(:sync_experiment, experiment_id, _opts) do
    args = %{"experiment_id" => string!(experiment_id, :experiment_id)}
    request("sync_experiment", args, "experiment:#{experiment_id}")
  end

  def new(:create_run, {trial_id, experiment_id}, _opts) do
    args = %{
      "trial_id" => string!(trial_id, :trial_id),
      "experiment_id" => string!(experiment_id, :experiment_id)
    }

    request("create_run", args, "trial:#{trial_id}")
  end

  def new(:ensure_experiment, name, opts) do
    args = %{"experiment_name" => string!(name, :name), "model_run_id" => opts[:model_run_id]}
    request("ensure_experiment", args, "experiment:#{name}")
  end

  def new(:create_run, target, _opts) do
    raise ArgumentError,
          "create_run is about {trial_id, experiment_id}, got #{inspect(target)}"
  end

  def new(action, _target, _opts) do
    nearest =
      Enum.max_by(MLflow.SyncAttempt.actions(), &String.jaro_distance("#{&1}", inspect(action)))

    raise ArgumentError,
          "there is no job #{inspect(action)}; did you mean #{inspect(nearest)}?"
  end

  @ids ~w(trial_id mlflow_run_id experiment_id experiment_name)

  @doc "A job's args, with ids as text: those of a host's own jobs may be the numbers that its keys are."
  @spec args(map) :: map
  def args(args) do
    Map.new(args, fn
      {key, id} when key in @ids and is_integer(id) -> {key, Integer.to_string(id)}
      other -> other
    end)
  end

  # Unique per action and target; locked by target, whatever the action.
  defp request(action, args, target),
    do: %{action: action, args: args, unique: "#{action} #{target}", lock: target}

  defp string!(value, _what) when is_binary(value) and value != "", do: value
  defp string!(value, _what) when is_integer(value), do: Integer.to_string(value)

  defp string!(value, what),
    do: raise(ArgumentError, "#{what} must be a non-empty string, got #{inspect(value)}")
end
