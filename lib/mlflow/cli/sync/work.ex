defmodule MLflow.CLI.Sync.Work do
  @moduledoc false
  # Has the targets synced or planned: trials several at once, experiments one after the other, for
  # each of them is already several at once. What concerns the server as a whole ends the work:
  # the next trial would wait in vain for as long.

  alias MLflow.{Config, Crash, Error, Instance, Sync}
  alias MLflow.CLI.Progress
  alias MLflow.CLI.Sync.Wording

  @typedoc """
  What became of a target. `label` is what its user calls it; `ms` is how long it took.
  """
  @type outcome :: %{
          target: MLflow.CLI.Sync.Targets.t(),
          label: String.t(),
          result: {:ok, map | [map]} | {:error, Error.t()} | :absent | :not_tried,
          ms: non_neg_integer
        }

  # How long another worker is waited for (ms), and how often it is asked after.
  @patience 10_000
  @pause 250

  @hopeless ~w(connect tls unauthenticated not_mlflow disabled config)a

  @doc "Carries out all targets until the deadline (monotonic ms, or `nil`)."
  @spec carry_out(Instance.t(), :sync | :plan, [map], integer | nil, Progress.t()) ::
          {[outcome], Progress.t()}
  def carry_out(instance, action, targets, deadline, progress) do
    {trials, experiments} = Enum.split_with(targets, &(&1.kind == :trial))
    job = %{instance: instance, action: action, deadline: deadline}

    {outcomes, going?, progress} = all(trials, job, instance.config.concurrency, progress)

    {more, progress} =
      if going? do
        {more, _, progress} = all(experiments, job, 1, progress)
        {more, progress}
      else
        {Enum.map(experiments, &not_tried/1), progress}
      end

    {outcomes ++ more, progress}
  end

  @doc "Whether a target did not come out as it should."
  @spec failed?(outcome) :: boolean
  def failed?(%{result: {:ok, %{"failed" => [_ | _]}}}), do: true
  def failed?(%{result: {:ok, _}}), do: false
  def failed?(%{result: :absent}), do: false
  def failed?(%{result: _}), do: true

  defp all(targets, job, concurrency, progress) do
    {outcomes, going?, progress} =
      targets
      |> Task.async_stream(&one(&1, job),
        max_concurrency: concurrency,
        timeout: :infinity,
        ordered: false
      )
      |> Enum.reduce_while({[], true, progress}, fn {:ok, outcome}, {outcomes, _, progress} ->
        outcomes = [outcome | outcomes]
        progress = step(progress, outcome)

        if hopeless?(outcome),
          do: {:halt, {outcomes, false, progress}},
          else: {:cont, {outcomes, true, progress}}
      end)

    {in_order(targets, outcomes), going?, progress}
  end

  defp in_order(targets, outcomes) do
    by_target = Map.new(outcomes, &{&1.target, &1})
    Enum.map(targets, &Map.get_lazy(by_target, &1, fn -> not_tried(&1) end))
  end

  defp not_tried(target), do: %{target: target, label: target.id, result: :not_tried, ms: 0}

  defp hopeless?(%{result: {:error, %Error{kind: kind}}}), do: kind in @hopeless
  defp hopeless?(%{result: :not_tried}), do: true
  defp hopeless?(_outcome), do: false

  defp step(progress, outcome) do
    how = if failed?(outcome), do: :failed, else: :ok
    Progress.step(progress, how, Wording.outcome(outcome))
  end

  defp one(target, job) do
    began = now()

    if job.deadline != nil and began >= job.deadline do
      not_tried(target)
    else
      label = label(target, job.instance)
      result = in_time(fn -> guarded(target, job) end, job.deadline)
      %{target: target, label: label, result: absent(result, target), ms: now() - began}
    end
  end

  # The task that is killed takes its request with it; what had left by then the next run finds.
  defp in_time(fun, nil), do: fun.()

  defp in_time(fun, deadline) do
    task = Task.async(fun)

    case Task.yield(task, max(deadline - now(), 0)) || Task.shutdown(task, :brutal_kill) do
      {:ok, result} -> result
      _ -> {:error, Error.new(:timeout, "", "it was not done when the time given was over")}
    end
  end

  defp guarded(target, job) do
    patiently(fn -> perform(job.action, target, name: job.instance.name) end, @patience)
  rescue
    exception ->
      {:error, Error.new(:crashed, "sync", Crash.format(exception, __STACKTRACE__))}
  end

  # A running application may be at the same trial, and is done with it in a moment.
  defp patiently(fun, patience) do
    with {:error, %Error{kind: :conflict}} when patience > 0 <- fun.() do
      Process.sleep(@pause)
      patiently(fun, patience - @pause)
    end
  end

  defp perform(:sync, %{kind: :trial, id: id}, opts), do: Sync.trial_to_mlflow(id, opts)
  defp perform(:sync, %{kind: :experiment, id: id}, opts), do: Sync.experiment(id, opts)

  defp perform(:plan, %{kind: :trial, id: id}, opts) do
    with {:ok, plan} <- Sync.plan(id, opts), do: {:ok, [plan]}
  end

  defp perform(:plan, %{kind: :experiment, id: id}, opts), do: Sync.plan_experiment(id, opts)

  defp absent({:error, %Error{kind: :not_found}}, %{expected?: false}), do: :absent
  defp absent(result, _target), do: result

  # A store finds due trials by their key, and people know them by the application's own id.
  defp label(%{kind: :trial, id: id}, %{config: config} = instance) do
    case config.store.fetch_trial(instance, id) do
      {:ok, trial} -> trial.tags[Config.trial_tag(config)] || id
      {:error, _} -> id
    end
  end

  defp label(%{kind: :experiment, id: id}, %{config: config} = instance) do
    case config.store.fetch_experiment(instance, id) do
      {:ok, %{name: name}} when is_binary(name) -> name
      _ -> id
    end
  end

  defp now, do: System.monotonic_time(:millisecond)
end
