defmodule MLflow.Integration.FaultTest do
  use MLflow.IntegrationCase, async: true

  @moduletag :slow

  each_server do
    test "whatever happens to requests, runs and points are there once", %{uri: uri} do
      assert map_size(prove!(Prove.Faults, uri).faults) > 3
    end
  end

  describe "a store" do
    @describetag mlflow: :embedded

    test "on a disk that is full for a while loses nothing", %{uri: uri} do
      outcome = prove!(Prove.DiskFull, uri)
      if outcome.skipped, do: IO.puts(:stderr, "\nskipped: #{outcome.skipped}")
    end

    @tag :integration
    @tag mlflow: "3.17.2"
    test "that another process holds for a while loses nothing", %{uri: uri} do
      prove!(Prove.LockedStore, uri)
    end
  end
end
