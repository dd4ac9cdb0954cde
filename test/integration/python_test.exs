defmodule MLflow.Integration.PythonTest do
  use MLflow.IntegrationCase, async: true

  @moduletag timeout: 600_000
  @round Path.expand("../../prove/python/round.py", __DIR__)

  # What MLflow's own client writes to our server it reads back as from MLflow itself.
  each_real_server do
    test "its Python client does its whole round on our server", %{version: version} do
      {printed, status} =
        System.cmd(
          MLflow.Servers.python!(version),
          ["-B", "-W", "ignore", @round, embedded_server(), tmp_path("round")],
          stderr_to_stdout: true
        )

      assert status == 0, printed
      assert printed =~ ~r/^all hold$/m
    end
  end
end
