defmodule Mix.Tasks.Mlflow.Import do
  @shortdoc "Takes over what another MLflow keeps"
  @moduledoc MLflow.CLI.Import.help()

  use Mix.Task

  alias MLflow.CLI

  @impl true
  def run(args) do
    CLI.Signals.attend()
    args |> CLI.Import.run(&CLI.Host.prepare/1) |> CLI.Status.exit_with()
  end
end
