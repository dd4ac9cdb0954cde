defmodule MLflow.Cerebros do
  @moduledoc """
  Hooks for a training bridge: hand over its contracts, and its trials show up in MLflow.

  Each hook takes a contract as a struct or a map (with atom or string keys), records it in the
  store and queues the sync. None waits for the network, and none ever raises into the
  caller:

      MLflow.Cerebros.run_started(%RunStartedV1{run_id: "search-1", parameters: %{}})
      MLflow.Cerebros.trial_reported(%TrialReportedV1{trial_id: "t1", run_id: "search-1", status: :running})
      MLflow.Cerebros.trial_reported(%TrialReportedV1{trial_id: "t1", run_id: "search-1",
        status: :succeeded, metrics: %{accuracy: 0.93}})
      MLflow.Cerebros.run_finalized(%RunFinalizedV1{run_id: "search-1", status: :succeeded})

  What they honour (see `MLflow.Config`): with `enabled: false` they do nothing; with
  `auto_sync: false` they record and queue nothing; with `fail_silently: true`, the default, they
  log an error and answer `:ok` where they would answer `{:error, %MLflow.Error{}}`.

  Every function takes `name:` for the instance.
  """

  require Logger

  alias MLflow.{Error, Instance, SyncWorker, Value}

  @type contract :: struct | map
  @type result :: :ok | {:error, Error.t()}

  @trial_fields ~w(trial_id pulse_id candidate_id status metrics parameters artifact_uri duration_ms
                   rank warnings spectral_norm mlflow_run_id name started_at completed_at)a

  @doc """
  A search began (`RunStartedV1`): the model run is recorded, and the default experiment is found
  or created.
  """
  @spec run_started(contract, keyword) :: result
  def run_started(contract, opts \\ []) do
    guarded(:run_started, opts, fn instance, opts ->
      attrs = %{
        run_id: get(contract, :run_id),
        state: :running,
        started_at: time(get(contract, :timestamp)) || MLflow.Metric.now(),
        requested_trials: requested_trials(get(contract, :budget)),
        metadata: take(contract, ~w(dataset_id objective tau correlation_id pulse_id extra)a),
        bridge_payload: payload(contract)
      }

      with {:ok, id} <- instance.config.store.record_model_run(instance, present(attrs)) do
        queue(instance, fn ->
          name = instance.config.default_experiment
          SyncWorker.ensure_experiment(name, [model_run_id: id] ++ opts)
        end)
      end
    end)
  end

  @doc """
  A trial began, went on or ended (`TrialReportedV1`): it is created or updated, and its sync is
  queued, which creates its run where it has none.

  `nil` fields leave what is known alone. A `:timeout` counts as `:failed`.
  """
  @spec trial_reported(contract, keyword) :: result
  def trial_reported(contract, opts \\ []) do
    guarded(:trial_reported, opts, fn instance, opts ->
      attrs =
        contract
        |> take(@trial_fields)
        |> Map.put(:bridge_payload, payload(contract))
        |> present()
        |> Map.replace_lazy(:status, &status/1)

      with {:ok, owner} <- model_run(instance, get(contract, :run_id)),
           {:ok, id} <- instance.config.store.record_trial(instance, Map.merge(attrs, owner)) do
        queue(instance, fn -> SyncWorker.sync_trial_to_mlflow(id, opts) end)
      end
    end)
  end

  @doc """
  A search ended (`RunFinalizedV1`): the model run is closed, and what its trials still miss in
  MLflow is queued.
  """
  @spec run_finalized(contract, keyword) :: result
  def run_finalized(contract, opts \\ []) do
    guarded(:run_finalized, opts, fn instance, opts ->
      status = get(contract, :status)

      attrs = %{
        run_id: get(contract, :run_id),
        state: state(status),
        finished_at: MLflow.Metric.now(),
        error_message: error_message(state(status), contract),
        bridge_result: payload(contract)
      }

      store = instance.config.store

      with {:ok, id} <- store.record_model_run(instance, present(attrs)),
           {:ok, trials} <- store.trials_of_model_run(instance, id),
           ended = Enum.count(trials, fn {_id, ended?} -> ended? end),
           {:ok, _} <-
             store.record_model_run(instance, %{run_id: attrs.run_id, completed_trials: ended}) do
        queue(instance, fn ->
          SyncWorker.sync_trials_to_mlflow(Enum.map(trials, &elem(&1, 0)), opts)
        end)
      end
    end)
  end

  # The bridge must go on whatever happens here, so nothing is let through: no exception, no exit
  # of a process that is being restarted.
  defp guarded(hook, opts, fun) do
    opts = Keyword.take(opts, [:name])

    with {:ok, instance} <- Instance.fetch(opts) do
      if instance.config.enabled,
        do: attempt(hook, instance, fn -> fun.(instance, opts) end),
        else: :ok
    else
      {:error, error} -> failed(hook, error, true)
    end
  end

  defp attempt(hook, instance, fun) do
    case fun.() do
      {:error, error} -> failed(hook, error, instance.config.fail_silently)
      _ok -> :ok
    end
  rescue
    exception ->
      failed(hook, crashed(Exception.message(exception)), instance.config.fail_silently)
  catch
    kind, reason ->
      failed(hook, crashed(Exception.format_banner(kind, reason)), instance.config.fail_silently)
  end

  defp crashed(message), do: Error.new(:crashed, "hook", message)

  defp failed(hook, error, true) do
    Logger.error("MLflow.Cerebros.#{hook}/2 failed: #{Exception.message(error)}")
    :ok
  end

  defp failed(_hook, error, false), do: {:error, error}

  defp queue(%Instance{config: %{auto_sync: true}}, fun), do: fun.()
  defp queue(_instance, _fun), do: :ok

  defp model_run(_instance, nil), do: {:ok, %{}}

  # A trial may be heard of before its search is.
  defp model_run(instance, run_id) do
    with {:ok, id} <- instance.config.store.record_model_run(instance, %{run_id: run_id}),
         do: {:ok, %{model_run_id: id}}
  end

  defp get(contract, field) do
    case Map.fetch(contract, field) do
      {:ok, value} -> value
      :error -> Map.get(contract, Atom.to_string(field))
    end
  end

  defp take(contract, fields) do
    for field <- fields,
        value <- [get(contract, field)],
        value != nil,
        into: %{},
        do: {field, value}
  end

  defp present(attrs), do: for({key, value} <- attrs, value != nil, into: %{}, do: {key, value})

  defp payload(contract), do: Value.plain(contract)

  defp status(timeout) when timeout in [:timeout, "timeout"], do: :failed
  defp status(status), do: status

  defp state(status) when status in [:timeout, "timeout"], do: :failed
  defp state(status) when status in [:completed, "completed"], do: :succeeded
  defp state(status), do: status

  defp error_message(state, contract) when state in [:failed, "failed"] do
    code = get(contract, :returncode)

    [
      to_string(get(contract, :status)),
      code && "return code #{code}",
      get(contract, :stdout_excerpt)
    ]
    |> Enum.reject(&(&1 in [nil, ""]))
    |> Enum.join(": ")
  end

  defp error_message(_state, _contract), do: nil

  # The contracts do not say what a budget looks like; a number of trials is what we can keep.
  defp requested_trials(budget) when is_integer(budget), do: budget
  defp requested_trials(%{} = budget), do: get(budget, :trials) || get(budget, :max_trials)
  defp requested_trials(_budget), do: nil

  defp time(text) when is_binary(text) do
    case DateTime.from_iso8601(text) do
      {:ok, time, _offset} -> time
      _ -> nil
    end
  end

  defp time(other), do: other
end
