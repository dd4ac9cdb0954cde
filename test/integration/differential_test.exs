defmodule MLflow.Integration.DifferentialTest do
  use MLflow.IntegrationCase, async: true

  alias Prove.Differential
  alias Prove.Differential.{Meant, Script}

  @moduletag :integration
  @moduletag mlflow: "3.17.2"
  @moduletag timeout: 600_000

  test "our server answers as MLflow does, but where it is meant not to", %{uri: real} do
    result = Differential.run(real, embedded_server(), Script.all(), Meant.all())
    assert result.cases > 2_000
    assert {result.differences, result.unused} == {[], []}, "#{Differential.report(result)}"
  end

  # What the comparison takes for the same, and what it could not tell apart by chance.
  test "MLflow answers as MLflow does", %{uri: real} do
    result = Differential.run(real, real, Script.all())
    assert result.differences == [], "#{Differential.report(result)}"
  end
end
