defmodule Mix.Tasks.Mlflow.Sync do
  @shortdoc "Brings trials and MLflow's runs in step"
  @moduledoc MLflow.CLI.Sync.help()

  use Mix.Task

  alias MLflow.CLI

  @impl true
  def run(args) do
    CLI.Signals.attend()
    args |> CLI.Sync.run(&CLI.Host.prepare/1) |> CLI.Status.exit_with()
  end
end
