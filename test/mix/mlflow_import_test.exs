defmodule Mix.Tasks.Mlflow.ImportTest do
  use MLflow.Case, async: true

  import MLflow.CLICase

  alias MLflow.{CLI, RawClient}

  @run "0123456789abcdef0123456789abcdef"

  # What MLflow's file store writes for an experiment with one run.
  defp mlruns do
    folder = Path.join(Path.dirname(tmp_path("x")), "mlruns")

    write(folder, "7/meta.yaml", """
    artifact_location: file:///srv/mlruns/7
    creation_time: 1700000000000
    experiment_id: '7'
    last_update_time: 1700000000000
    lifecycle_stage: active
    name: iris
    """)

    write(folder, "7/#{@run}/meta.yaml", """
    artifact_uri: file:///srv/mlruns/7/#{@run}/artifacts
    end_time: 1700000001000
    entry_point_name: ''
    experiment_id: '7'
    lifecycle_stage: active
    run_id: #{@run}
    run_name: first
    run_uuid: #{@run}
    source_name: ''
    source_type: 4
    source_version: ''
    start_time: 1700000000500
    status: 3
    tags: []
    user_id: ada
    """)

    write(folder, "7/#{@run}/params/lr", "0.1")
    write(folder, "7/#{@run}/tags/author", "ada")
    write(folder, "7/#{@run}/metrics/loss", "1700000000600 0.7 1\n1700000000700 0.5 2\n")
    folder
  end

  defp write(folder, path, text) do
    path = Path.join(folder, path)
    File.mkdir_p!(Path.dirname(path))
    File.write!(path, text)
  end

  test "what it takes over is served, and taken over once" do
    source = mlruns()
    database = tmp_path("server.db")
    assert {0, out, ""} = run(CLI.Import, [source, "--database", database])
    assert out =~ "Taken over into #{database}"
    assert out =~ ~r/runs +1 new/
    assert out =~ ~r/metric points +2 new/

    assert {0, out, ""} = run(CLI.Import, ["--database", database, source])
    assert out =~ ~r/runs +0 new +1 there before/

    name = unique_name()
    opts = [name: name, port: 0, database: database, artifacts: tmp_path("artifacts")]
    start_supervised!({MLflow.Server, opts})
    {:ok, uri} = MLflow.Server.uri(name)
    assert {200, %{"run" => run}} = RawClient.get(uri, "/api/2.0/mlflow/runs/get?run_id=#{@run}")
    assert run["info"]["run_name"] == "first"
    assert [%{"key" => "loss", "value" => 0.5}] = run["data"]["metrics"]
  end

  test "a terminal shows how far it is" do
    assert {0, _out, err} =
             run(CLI.Import, [mlruns(), "--database", tmp_path("s.db")], columns: 80)

    assert err =~ "1/1  runs"
  end

  test "a source that is not there is told, with the status 1, and leaves no database" do
    database = tmp_path("s.db")
    assert {1, "", err} = run(CLI.Import, ["/no/such/file", "--database", database])
    assert err =~ "/no/such/file"
    refute File.exists?(database)
  end

  test "a source that is none is told, with the status 1" do
    source = tmp_path("notes.txt")
    File.write!(source, "no database")
    assert {1, "", err} = run(CLI.Import, [source, "--database", tmp_path("s.db")])
    assert err =~ "not a readable SQLite database"
  end

  test "what makes no sense is told, with the status 2" do
    assert {2, "", err} = run(CLI.Import, [])
    assert err =~ "a source is missing"
    assert {2, "", err} = run(CLI.Import, ["a", "b"])
    assert err =~ ~s(what is "b"? It stands behind no option)
    assert {2, "", err} = run(CLI.Import, ["a", "--databse", "b"])
    assert err =~ "did you mean --database?"
  end

  test "shows its help" do
    assert {0, out, ""} = run(CLI.Import, ["--help"])
    assert widest(out) <= 100
  end
end
