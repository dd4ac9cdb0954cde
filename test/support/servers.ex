defmodule MLflow.Servers do
  @moduledoc """
  The real MLflow servers that the integration tests run on, by version.
  """

  @variables %{"3.17.2" => "MLFLOW_TEST_URI", "2.9.2" => "MLFLOW_TEST_URI_2_9"}
  @pythons %{"3.17.2" => "MLFLOW_TEST_PYTHON", "2.9.2" => "MLFLOW_TEST_PYTHON_2_9"}

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

  @doc "The Python of `python!/1`, or nil."
  def python(version \\ "3.17.2"), do: System.get_env(Map.fetch!(@pythons, version))

  @doc "A Python that has MLflow of this version, for tests that start a server or a client with it."
  def python!(version \\ "3.17.2") do
    variable = Map.fetch!(@pythons, version)

    python(version) ||
      raise """
      these tests need #{variable}, a Python that has MLflow #{version}, such as
      #{variable}=tmp/venv/mlflow-#{version}/bin/python
      """
  end

  def require! do
    Enum.each(versions(), &uri!/1)
    Enum.each(versions(), &python!/1)
  end
end
