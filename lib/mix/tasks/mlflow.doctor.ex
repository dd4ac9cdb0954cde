defmodule Mix.Tasks.Mlflow.Doctor do
  @shortdoc "Looks at all that a sync with MLflow needs"
  @moduledoc MLflow.CLI.Doctor.help()

  use Mix.Task

  alias MLflow.CLI

  @impl true
  def run(args), do: args |> CLI.Doctor.run(&CLI.Host.prepare/1) |> CLI.Status.exit_with()
end
