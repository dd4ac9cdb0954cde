defmodule MLflow.Application do
  @moduledoc false
  # Starts the registry of instances and, unless `config :mlflow_sync, default_instance: false`
  # says otherwise, the default instance. A default instance that cannot start (a mistaken
  # setting, a damaged database) must not keep the host application from booting: its error is
  # logged once and answered to every call.

  use Application
  require Logger

  @impl true
  def start(_type, _args) do
    children = [
      {Registry, keys: :unique, name: MLflow.Registry},
      MLflow.Server.News,
      {DynamicSupervisor, strategy: :one_for_one, name: MLflow.DefaultSupervisor}
    ]

    with {:ok, supervisor} <- Supervisor.start_link(children, strategy: :one_for_one) do
      if Application.get_env(:mlflow_sync, :default_instance, true), do: start_default_instance()
      {:ok, supervisor}
    end
  end

  @impl true
  def stop(_state), do: MLflow.Instance.forget_start_error()

  defp start_default_instance do
    case DynamicSupervisor.start_child(MLflow.DefaultSupervisor, MLflow) do
      {:ok, _} -> :ok
      {:error, %MLflow.Error{} = error} -> not_started(error)
      {:error, reason} -> not_started(MLflow.Error.new(:config, "start", inspect(reason)))
    end
  end

  defp not_started(error) do
    Logger.error("MLflow did not start: #{Exception.message(error)}")
    MLflow.Instance.remember_start_error(error)
  end
end
