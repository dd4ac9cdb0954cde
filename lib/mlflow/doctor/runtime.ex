defmodule MLflow.Doctor.Runtime do
  @moduledoc false
  # The VM, the native library, and the packages that are used where they are there.

  @behaviour MLflow.Doctor.Area

  alias MLflow.Doctor.Finding

  @area :runtime

  # What it is for, and what does it instead.
  @optional [
    telemetry: {:telemetry, "events of every request, job and sync", "none are sent"},
    oban: {Oban, "jobs in the application's own queue", "the embedded queue runs them"},
    ash: {Ash, "trials and runs as Ash resources", "the embedded store keeps them"}
  ]

  @impl true
  def examine(context) do
    findings = [versions() | Enum.map(@optional, &package/1)]

    if Code.ensure_loaded?(MLflow.Native),
      do: {findings, context},
      else: {[no_nif() | findings], %{context | halted?: true}}
  end

  defp versions do
    ours = Application.spec(:mlflow_sync, :vsn) || "of unknown version"

    Finding.ok(
      @area,
      "mlflow_sync #{ours} on Elixir #{System.version()}, OTP #{System.otp_release()}, " <>
        "#{:erlang.system_info(:system_architecture)}"
    )
  end

  defp package({app, {module, purpose, otherwise}}) do
    if Code.ensure_loaded?(module),
      do: Finding.info(@area, "#{app} #{version(app)}is there (#{purpose})"),
      else: Finding.info(@area, "#{app} is not there (#{purpose}): #{otherwise}")
  end

  defp version(app) do
    case Application.spec(app, :vsn) do
      nil -> ""
      version -> "#{version} "
    end
  end

  defp no_nif do
    Finding.problem(@area, "the native library is not loaded, and without it nothing works",
      advice:
        "run `mix deps.compile mlflow_sync --force` (or `mix compile --force`) with Rust there"
    )
  end
end
