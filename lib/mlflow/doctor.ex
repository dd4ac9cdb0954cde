defmodule MLflow.Doctor do
  @moduledoc """
  Looks at all that a sync needs, and says what to do about what is not as it should be.

  From the shell it is `mix mlflow.doctor`; here it is for a release, a test or IEx:

      iex> {verdict, findings} = MLflow.Doctor.run()
      iex> verdict
      :ok
      iex> for %{level: :problem} = finding <- findings, do: {finding.title, finding.advice}
      []

  It looks at the configuration (no secret shows), the VM and its packages, the database, the jobs,
  the outbox, the embedded servers that it has to do with, the way to the server, the server itself, the credentials, the default experiment and
  the clocks. It never raises: a wrong setting, a damaged database and a dead server are findings.
  And it changes nothing, here or on the server, unless it is asked for a write check.
  """

  alias MLflow.Crash
  alias MLflow.Doctor.{Context, Finding}

  @areas [
    MLflow.Doctor.Runtime,
    MLflow.Doctor.Configuration,
    MLflow.Doctor.Store,
    MLflow.Doctor.Queue,
    MLflow.Doctor.Outbox,
    MLflow.Doctor.EmbeddedServer,
    MLflow.Doctor.Connection,
    MLflow.Doctor.Server,
    MLflow.Doctor.DefaultExperiment,
    MLflow.Doctor.Clock,
    MLflow.Doctor.Limits,
    MLflow.Doctor.WriteCheck
  ]

  @type verdict :: :ok | :warnings | :problems

  @doc """
  Examines an instance: `{verdict, findings}`, where the verdict is that of the worst finding.

  Options:

    * `name:` - the instance (default `MLflow`). One that runs in this VM is examined as it is; the
      default one can also be examined when it does not run
    * any setting of `MLflow.Config`, to examine what it would be like with that
    * `timeout:` (10,000 ms) - for each request to the server; none is repeated
    * `write_check: true` - creates a run in the default experiment, logs to it, reads it back and
      deletes it. An experiment that does not exist yet is created and stays, as with a first sync
    * `experiment:` - where the write check does that, by MLflow's id or by name
  """
  @spec run(keyword) :: {verdict, [Finding.t()]}
  def run(opts \\ []) do
    context = Context.new(opts)

    {findings, context} =
      Enum.flat_map_reduce(@areas, context, fn area, context -> examine(area, context) end)

    Context.close(context)
    {verdict(findings), findings}
  end

  # What fails in a check is a finding as well, and keeps none of the others from being made.
  defp examine(area, context) do
    if context.halted?, do: {[], context}, else: area.examine(context)
  rescue
    exception -> {[broken(area, Crash.format(exception, __STACKTRACE__))], context}
  catch
    kind, reason -> {[broken(area, Exception.format_banner(kind, reason))], context}
  end

  defp broken(area, message) do
    name = area |> Module.split() |> List.last()

    Finding.problem(:doctor, "the check #{name} broke down itself",
      detail: message,
      advice: "please report this, with the message; the other checks are not affected"
    )
  end

  defp verdict(findings) do
    levels = MapSet.new(findings, & &1.level)

    cond do
      :problem in levels -> :problems
      :warning in levels -> :warnings
      true -> :ok
    end
  end
end
