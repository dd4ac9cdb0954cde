defmodule Mix.Tasks.Mlflow.Server do
  @shortdoc "Serves MLflow's REST API from this VM"
  @moduledoc MLflow.CLI.Server.help()

  use Mix.Task

  alias MLflow.CLI

  @impl true
  def run(args) do
    CLI.Signals.hand_to(self())
    args |> CLI.Server.run(&CLI.Host.prepare/1) |> CLI.Status.exit_with()
  end
end
