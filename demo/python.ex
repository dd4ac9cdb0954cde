defmodule Demo.Python do
  @moduledoc """
  The colleague and the verification on a real MLflow server: MLflow's own Python client, and a look
  into MLflow's own database.
  """

  def title, do: "MLflow's own Python client"

  @doc "Adds a run, and a tag to the run `ours`; answers the new run's id."
  @spec colleague(map, String.t(), String.t()) :: String.t()
  def colleague(options, experiment_id, ours),
    do: run(options, "foreign.py", [options.uri, experiment_id, ours])

  @doc "Compares what MLflow has with `trials` and `records`; answers the verdict in a line."
  @spec verify(map, String.t(), [map], [map]) :: String.t()
  def verify(options, _experiment_id, trials, records) do
    expected = Path.join(options.directory, "expected.json")
    File.write!(expected, MLflow.Native.json_encode(%{trials: trials, records: records}))
    run(options, "verify.py", [Path.join(options.directory, "mlflow.db"), expected])
  end

  defp run(options, script, arguments) do
    arguments = [Path.join(__DIR__, script) | arguments]

    case System.cmd(options.python, arguments, stderr_to_stdout: true) do
      {output, 0} -> String.trim(output)
      {output, status} -> raise "#{script} ended with status #{status}:\n#{output}"
    end
  end
end
