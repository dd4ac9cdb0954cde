defmodule MLflow.CLI.Host do
  @moduledoc false
  # Makes the application around a task ready: compiled and configured, and started only where the
  # task needs something that lives in it.

  @doc """
  Options: `instance:`, the name of an instance of the application, which is started for it;
  `settings:`, what the command line says of the instance to use; `alone: true`, where nothing of
  the application's is needed, not even an instance; `quiet:` keeps what Mix has to tell from the
  output.
  """
  @spec prepare(keyword) :: :ok | {:error, String.t()}
  def prepare(opts) do
    shell = Mix.shell()
    if opts[:quiet], do: Mix.shell(Mix.Shell.Quiet)

    try do
      Mix.Task.run("app.config")

      if opts[:alone],
        do: start_alone(),
        else: start(opts[:instance], Application.get_all_env(:mlflow_sync), opts[:settings])
    after
      Mix.shell(shell)
    end
  end

  defp start(nil, configured, settings) do
    cond do
      started?() -> :ok
      configured[:default_instance] == false and settings == [] -> {:error, no_default_instance()}
      needs_application?(configured) -> start_application()
      true -> start_alone()
    end
  end

  defp start(_instance, _configured, _settings), do: start_application()

  # A store or a token that is code of the application's own works only while that runs.
  defp needs_application?(configured) do
    store = Keyword.get(configured, :store, MLflow.Store.Embedded)
    token = configured[:token]
    store != MLflow.Store.Embedded or not (is_nil(token) or is_binary(token))
  end

  defp start_application do
    Mix.Task.run("app.start")
    :ok
  end

  # Without the default instance, whose queue and scheduler would begin to work.
  defp start_alone do
    Application.put_env(:mlflow_sync, :default_instance, false)
    {:ok, _} = Application.ensure_all_started(:mlflow_sync)
    :ok
  end

  defp started?, do: List.keymember?(Application.started_applications(), :mlflow_sync, 0)

  defp no_default_instance do
    "the application has no default instance (default_instance: false): name one of its own " <>
      "with --instance, or give --tracking-uri and --database"
  end
end
