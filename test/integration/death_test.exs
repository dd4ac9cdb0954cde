defmodule MLflow.Integration.DeathTest do
  use MLflow.IntegrationCase, async: true

  @moduletag :integration
  @moduletag :slow
  @moduletag mlflow: "3.17.2"

  test "a server killed in mid-sync and started again has everything once", %{uri: uri} do
    assert prove!(Prove.ServerDeath, uri).kills > 0
  end
end
