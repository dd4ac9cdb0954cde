defmodule MLflow.NativeMapsTest do
  # Maps of more than 32 keys are another data structure to the VM than smaller ones, and made
  # differently, also outside its own threads. Each test has a VM of its own, which must survive.
  use MLflow.Case, async: true

  alias MLflow.OsProcess

  @run_id "0123456789abcdef0123456789abcdef"

  defp run!(uri, what) do
    OsProcess.run!("""
    Logger.configure(level: :emergency)
    Application.put_env(:mlflow_sync, :default_instance, false)
    {:ok, _} = Application.ensure_all_started(:mlflow_sync)
    database = #{inspect(tmp_path("maps.db"))}
    {:ok, _} = MLflow.start_link(name: Maps, database: database, tracking_uri: #{inspect(uri)})
    #{what}
    """)
  end

  for kind <- ["params", "tags", "metrics"] do
    test "a run with many #{kind} is read" do
      entry = fn n ->
        value = if unquote(kind) == "metrics", do: n / 1, else: "#{n}"
        %{"key" => "k#{n}", "value" => value, "step" => 1, "timestamp" => 1}
      end

      server =
        start_server(fn _ ->
          {200,
           %{
             "run" => %{
               "info" => %{"run_id" => @run_id, "experiment_id" => "1"},
               "data" => %{unquote(kind) => Enum.map(1..300, entry)}
             }
           }}
        end)

      lines =
        run!(ScriptedServer.uri(server), """
        {:ok, run} = MLflow.Client.get_run("#{@run_id}", name: Maps)
        IO.puts(map_size(run.#{unquote(kind)}))
        """)

      assert lines == ["300"]
    end
  end

  test "a trial with many params and metrics is kept and read" do
    lines =
      run!(dead_uri(), """
      many = Map.new(1..300, &{"k\#{&1}", &1})
      attrs = %{trial_id: "t1", parameters: many, metrics: many, bridge_payload: %{deep: many}}
      {:ok, _} = MLflow.Trials.create(attrs, name: Maps)
      {:ok, trial} = MLflow.Trials.get("t1", name: Maps)
      IO.inspect(trial.parameters == many and trial.metrics == many)
      IO.inspect(trial.bridge_payload == %{"deep" => many})
      """)

    assert lines == ["true", "true"]
  end

  test "a trial with many params goes to MLflow and comes back" do
    {server, tracking} = start_tracking()

    lines =
      run!(ScriptedServer.uri(server), """
      many = Map.new(1..300, &{"k\#{&1}", &1})
      {:ok, _} = MLflow.Trials.create(%{trial_id: "t1", parameters: many, metrics: many}, name: Maps)
      {:ok, %{"mlflow_run_id" => id}} = MLflow.Sync.trial_to_mlflow("t1", name: Maps)
      {:ok, %{"pulled" => pulled}} = MLflow.Sync.mlflow_to_trial(id, name: Maps)
      IO.puts(pulled)
      """)

    assert lines == ["0"]
    assert [%{"params" => params, "points" => points}] = Tracking.runs(tracking)
    assert {map_size(params), length(points)} == {300, 300}
  end
end
