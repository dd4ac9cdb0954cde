defmodule MLflow.Telemetry do
  @moduledoc """
  Every request, job, sync and delivery as telemetry events, where the `telemetry` package is present.

  | event | measurements | metadata |
  |---|---|---|
  | `[:mlflow, :request, :start]` | `system_time` | `name`, `operation` |
  | `[:mlflow, :request, :stop]` | `duration` | the same, and `result` (`:ok` or the error's kind) |
  | `[:mlflow, :job, :start]` | `system_time` | `name`, `job` |
  | `[:mlflow, :job, :stop]` | `duration` | the same, and `result` |
  | `[:mlflow, :sync, :start]` | `system_time` | `name`, `action`, `target` |
  | `[:mlflow, :sync, :stop]` | `duration` | the same, and `result` |
  | `[:mlflow, :outbox, :deliver, :start]` | `system_time` | `name`, `logger`, `run_id` (`nil` until it is known) |
  | `[:mlflow, :outbox, :deliver, :stop]` | `duration` | the same, and `result` |
  | `[:mlflow, …, :exception]` | `duration` | the same, and `kind`, `reason`, `stacktrace` |
  | `[:mlflow, :server, :start]`, `[:mlflow, :server, :stop]` | `system_time` | `name`, `uri` |
  | `[:mlflow, :server, :change]` | `runs` | `name`, `changes` (each an `MLflow.Server.Change`), `overflowed` |
  | `[:mlflow, :server, :requests]` | `count`, `total_duration`, `longest_duration`, `received`, `sent` (bytes) | `name`, `method`, `route`, `status` |

  An `MLflow.Server` tells what happened in batches, at most 50 a second: one `:change` for all the
  runs that changed, and one `:requests` for the requests of each route that were answered alike.
  There, `name` is the server; a `route` is `""` where there is none.

  Elsewhere `name` is the instance, `job` an `MLflow.Job` or, from an application's Oban, an `Oban.Job`. Durations are in native time units, as everywhere in telemetry. No event
  carries a secret. Without the package nothing is measured and nothing is paid.

      :telemetry.attach("log", [:mlflow, :sync, :stop], &MyApp.handle/4, nil)
  """

  if Code.ensure_loaded?(:telemetry) do
    @doc false
    def span(event, metadata, fun) do
      event = [:mlflow | List.wrap(event)]

      :telemetry.span(event, metadata, fn ->
        result = fun.()
        {result, Map.put(metadata, :result, outcome(result))}
      end)
    end

    @doc false
    def event(event, measurements, metadata),
      do: :telemetry.execute([:mlflow | event], measurements, metadata)

    defp outcome({:error, %MLflow.Error{kind: kind}}), do: kind
    defp outcome({verdict, %MLflow.Error{kind: kind}}), do: {verdict, kind}
    defp outcome({:snooze, _seconds, %MLflow.Error{kind: kind}}), do: {:snooze, kind}
    defp outcome(_), do: :ok
  else
    @doc false
    def span(_event, _metadata, fun), do: fun.()

    @doc false
    def event(_event, _measurements, _metadata), do: :ok
  end
end
