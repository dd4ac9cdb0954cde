defmodule MLflow.Integration.DoctorTest do
  use MLflow.IntegrationCase, async: true

  import MLflow.CLICase

  alias MLflow.{CLI, Client, Doctor}

  defp problems(findings), do: Enum.filter(findings, &(&1.level in [:problem, :warning]))
  defp titles(findings, area), do: for(%{area: ^area, title: title} <- findings, do: title)

  each_server do
    test "finds nothing wrong with it, and knows its version and its clock",
         %{name: name, version: version} do
      assert {:ok, findings} = Doctor.run(name: name)
      assert problems(findings) == []
      assert "MLflow #{version}, which is supported" in titles(findings, :server)
      assert ["the server's clock and ours agree" <> _] = titles(findings, :clock)
      assert ["the default experiment mlflow_sync test" <> rest] = titles(findings, :experiment)
      assert rest =~ "does not exist yet"
    end

    test "writes a run, reads it back and deletes it", %{
      name: name,
      default_experiment: experiment
    } do
      assert {:ok, findings} = Doctor.run(name: name, write_check: true)
      assert [created, checked] = titles(findings, :write_check)
      assert created =~ "created the experiment"
      assert checked =~ "a run was written, read back and deleted"

      assert {:ok, %{experiment_id: id}} = Client.get_experiment_by_name(experiment, name: name)
      assert [run] = Enum.to_list(Client.search_runs(id, name: name, view_type: :all))
      assert {run.name, run.lifecycle_stage} == {"mlflow_sync write check", :deleted}
      assert run.metrics == %{"written" => 1.5}
    end

    test "finds that the default experiment is deleted, and its advice mends that",
         %{name: name, default_experiment: experiment} do
      {:ok, %{experiment_id: id}} = Client.create_experiment(experiment, name: name)
      :ok = Client.delete_experiment(id, name: name)

      assert {:problems, findings} = Doctor.run(name: name)
      assert [finding] = problems(findings)
      assert finding.title =~ "is deleted"
      assert finding.advice =~ "MLflow.Client.restore_experiment(#{inspect(id)})"
      :ok = Client.restore_experiment(id, name: name)
      assert {:ok, _} = Doctor.run(name: name)
    end

    test "notices a path that leads past the API", %{uri: uri} do
      args = ["--tracking-uri", uri <> "/no/such/prefix", "--database", tmp_path("none.db")]
      assert {1, out, ""} = run(CLI.Doctor, args)
      assert out =~ "problem  what answers there is no MLflow server"
      assert out =~ "-> set tracking_uri to the MLflow server itself, with its path prefix"
    end
  end
end
