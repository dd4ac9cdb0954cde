defmodule MLflow.Servers do
  @moduledoc """
  The real MLflow servers that the integration tests run on, by version.
  """

  @variables %{"3.17.2" => "MLFLOW_TEST_URI", "2.9.2" => "MLFLOW_TEST_URI_2_9"}

  def versions, do: Map.keys(@variables)

  def uri!(version) do
    variable = Map.fetch!(@variables, version)

    case System.get_env(variable) do
      address when address not in [nil, ""] ->
        address

      _ ->
        raise """
        integration tests need #{variable}, the address of an MLflow #{version} server, such as
        #{variable}=http://127.0.0.1:5000 mix test --include integration
        """
    end
  end

  @doc "A Python that has the newest MLflow, for tests that start a server of their own."
  def python! do
    System.get_env("MLFLOW_TEST_PYTHON") ||
      raise """
      these tests need MLFLOW_TEST_PYTHON, a Python that has MLflow, such as
      MLFLOW_TEST_PYTHON=tmp/venv/mlflow-3.17.2/bin/python
      """
  end

  def require! do
    Enum.each(versions(), &uri!/1)
    python!()
  end
end
