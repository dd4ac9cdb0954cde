defmodule MLflow.Sync.Order do
  @moduledoc false
  # What the engine is told of one trial, its run, and what both agreed on last.

  alias MLflow.{Config, Instance, RunRecord, Trial}
  alias MLflow.Sync.Target

  @type direction :: :push | :pull | :both

  @trial_fields ~w(id name status start_time end_time params tags points artifact_uri version)a

  @doc """
  Options: `history:` (`:none`, `:changed` or `:all`: whose series are pulled), `partial:` (more
  points are to come, so that the run has not ended yet).
  """
  @spec new(Instance.t(), Trial.t(), RunRecord.t() | nil, Target.t(), direction, keyword) :: map
  def new(%Instance{config: config}, trial, record, target, direction, opts \\ []) do
    tag = Config.trial_tag(config)

    %{
      direction: direction,
      trial: Map.take(trial, @trial_fields),
      base: record && record.base,
      target: target,
      policy: config.policy,
      history: Keyword.get(opts, :history, default_history(direction)),
      partial: Keyword.get(opts, :partial, false),
      tag: {tag, Map.get(trial.tags, tag, trial.id)},
      param_tag_prefix: config.tag_prefix <> "_param."
    }
  end

  defp default_history(:push), do: :none
  defp default_history(_direction), do: :changed
end
