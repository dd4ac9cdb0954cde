defmodule MLflow.Sync.Recorder do
  @moduledoc false
  # Every attempt of a sync leaves one row of history. That it could not be written is logged, and
  # no failure of the sync.

  require Logger

  alias MLflow.{Error, Instance, Metric}

  @type about :: %{
          required(:action) => atom,
          required(:target) => String.t(),
          required(:direction) => :push | :pull | :both,
          optional(:model_trial_id) => String.t(),
          optional(:mlflow_run_id) => String.t()
        }

  @doc "Runs an attempt, and keeps what it was about and how it ended."
  @spec record(Instance.t(), about, (() -> result)) :: result
        when result: {:ok, map} | {:error, Error.t()}
  def record(instance, about, attempt) do
    began = {Metric.now(), now()}

    try do
      attempt.()
    rescue
      exception ->
        error = Error.new(:crashed, "sync", Exception.message(exception), retryable: true)
        keep(instance, about, began, {:error, error})
        reraise exception, __STACKTRACE__
    else
      result ->
        keep(instance, about, began, result)
        result
    end
  end

  defp keep(instance, about, {started_at, clock}, result) do
    attempt =
      about
      |> Map.merge(outcome(result))
      |> Map.merge(%{started_at: started_at, duration_ms: now() - clock})

    with {:error, error} <-
           instance.config.store.record_sync(instance, attempt, conflicts(result)),
         do: log(about, Exception.message(error))
  rescue
    exception -> log(about, Exception.message(exception))
  end

  defp outcome({:ok, report}) do
    seen = %{
      result: :ok,
      mlflow_run_id: report["mlflow_run_id"],
      mlflow_experiment_id: report["experiment_id"],
      pushed: report["pushed"],
      pulled: report["pulled"],
      requests: report["requests"],
      writes: report["writes"],
      counts: counts(report)
    }

    Map.reject(seen, fn {_field, value} -> value == nil end)
  end

  defp outcome({:error, error}), do: %{result: Error.verdict(error), error: error}

  # An experiment's report tells numbers of its runs; what it lists is counted.
  defp counts(%{"runs" => _} = report) do
    for {name, value} <- report, number = number(value), number != nil, into: %{} do
      {name, number}
    end
  end

  defp counts(_report), do: nil

  defp number(number) when is_number(number), do: number
  defp number(list) when is_list(list), do: length(list)
  defp number(_other), do: nil

  defp conflicts({:ok, %{"conflicts" => conflicts}}), do: conflicts
  defp conflicts(_result), do: []

  defp log(about, reason) do
    Logger.error(
      "MLflow's sync history lacks an attempt of #{about.action} #{about.target}: #{reason}"
    )
  end

  defp now, do: System.monotonic_time(:millisecond)
end
