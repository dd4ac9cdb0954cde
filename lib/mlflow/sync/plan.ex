defmodule MLflow.Sync.Plan do
  @moduledoc false
  # What a sync would do, field by field: the same comparison, and nothing is written anywhere.

  alias MLflow.{Error, Experiment, Experiments, Instance, Run, Trial}
  alias MLflow.Sync.{Order, Report, RunPages, Target}

  @spec trial(Instance.t(), String.t(), Order.direction(), keyword) ::
          {:ok, map} | {:error, Error.t()}
  def trial(instance, trial_id, direction, opts \\ []) do
    with {:ok, side} <- instance.config.store.load_for_sync(instance, trial_id),
         {:ok, target} <- Target.look(instance, side.trial, side.record, opts),
         trial = %Trial{side.trial | points: side.points},
         order = Order.new(instance, trial, side.record, target, direction, partial: side.more?),
         {:ok, plan} <- Instance.request(instance, {:plan, order}) do
      {:ok, plan(side.trial, plan)}
    end
  end

  @doc "The plans of an experiment's runs and trials that are not in step."
  @spec experiment(Instance.t(), String.t() | integer) :: {:ok, [map]} | {:error, Error.t()}
  def experiment(instance, experiment) do
    with {:ok, id} <- Experiments.resolve(instance, experiment),
         {:ok, %Experiment{} = found} <- Instance.request(instance, {:get_experiment, id}),
         {:ok, plans} <- RunPages.reduce(instance, id, [], &page(instance, &1, &2)),
         {:ok, trials} <- Experiments.trials_without_run(instance, found),
         {:ok, new} <- collect(trials, &trial(instance, &1.id, :push, experiment_id: id)) do
      {:ok, Enum.reject(Enum.reverse(plans) ++ new, &in_step?/1)}
    end
  end

  defp page(instance, page, plans) do
    with {:ok, differing} <- RunPages.differing(instance, page),
         {:ok, new} <- collect(differing, &run(instance, &1)) do
      {:ok, Enum.reverse(new, plans)}
    end
  end

  defp run(_instance, %{trial: trial, run: run, record: record})
       when trial == nil or run.lifecycle_stage == :deleted,
       do: {:ok, mirrored(run, record)}

  defp run(instance, %{trial: trial, run: run}), do: trial(instance, trial.id, :both, run: run)

  defp plan(trial, plan) do
    %{
      "trial_id" => trial.id,
      "mlflow_run_id" => plan.run_id,
      "creates" => plan.creates,
      "changes" => Enum.map(plan.changes, &Report.stringify/1),
      "conflicts" => Enum.map(plan.conflicts, &Report.stringify/1)
    }
  end

  # A run that has no trial is recorded as a whole.
  defp mirrored(%Run{run_id: run_id} = run, record) do
    known? = record != nil and MLflow.RunRecord.holds?(record, MLflow.RunRecord.from_run(run))
    change = %{"side" => "pull", "field" => "record", "key" => nil, "from" => nil, "to" => run_id}

    %{
      "trial_id" => nil,
      "mlflow_run_id" => run_id,
      "creates" => false,
      "changes" => if(known?, do: [], else: [change]),
      "conflicts" => []
    }
  end

  defp in_step?(plan),
    do: not plan["creates"] and plan["changes"] == [] and plan["conflicts"] == []

  defp collect(items, fun) do
    Enum.reduce_while(items, {:ok, []}, fn item, {:ok, done} ->
      case fun.(item) do
        {:ok, result} -> {:cont, {:ok, [result | done]}}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
    |> case do
      {:ok, done} -> {:ok, Enum.reverse(done)}
      error -> error
    end
  end
end
