defmodule MLflow.Integration.CrashTest do
  use MLflow.IntegrationCase, async: true

  @moduletag :slow

  each_server do
    test "VMs killed one after the other leave one complete run per trial", %{uri: uri} do
      assert prove!(Prove.Crash, uri).kills > 1
    end

    test "VMs full of loggers, killed, leave every point that was answered", %{uri: uri} do
      assert prove!(Prove.RunLogger, uri).kills > 1
    end
  end

  describe "two VMs" do
    @describetag mlflow: :embedded

    test "that sync the same trials at the same moment make one run each", %{uri: uri} do
      prove!(Prove.TwoEngines, uri)
    end
  end
end
