defmodule MLflow.CLI.Host do
  @moduledoc false
  # Makes the application around a task ready: compiled and configured, and started only where the
  # task needs something that lives in it.

  @doc """
  Option: `instance:`, the name of an instance of the application, which is started for it.
  `quiet:` keeps what Mix has to tell from the output.
  """
  @spec prepare(keyword) :: :ok
  def prepare(opts) do
    shell = Mix.shell()
    if opts[:quiet], do: Mix.shell(Mix.Shell.Quiet)

    try do
      Mix.Task.run("app.config")

      if opts[:instance] || needs_application?(),
        do: Mix.Task.run("app.start"),
        else: start_alone()
    after
      Mix.shell(shell)
    end

    :ok
  end

  # A store or a token that is code of the application's own works only while that runs.
  defp needs_application? do
    settings = Application.get_all_env(:mlflow_sync)
    store = Keyword.get(settings, :store, MLflow.Store.Embedded)
    token = settings[:token]

    settings[:default_instance] != false and
      (store != MLflow.Store.Embedded or not (is_nil(token) or is_binary(token)))
  end

  # Without the default instance, whose queue and scheduler would begin to work.
  defp start_alone do
    unless started?(), do: Application.put_env(:mlflow_sync, :default_instance, false)
    {:ok, _} = Application.ensure_all_started(:mlflow_sync)
  end

  defp started?, do: List.keymember?(Application.started_applications(), :mlflow_sync, 0)
end
