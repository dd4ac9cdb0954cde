defmodule MLflow.ApplicationTest do
  # Each test has a VM of its own, because there is one default instance per VM.
  use MLflow.Case, async: true

  alias MLflow.OsProcess

  # Nothing of whoever runs the tests.
  defp environment(given) do
    variables =
      for {_, _, _, variables, _} <- MLflow.Config.Settings.table(),
          {variable, _} <- variables,
          do: {variable, nil}

    variables |> Map.new() |> Map.merge(given)
  end

  defp run!(code, environment), do: OsProcess.run!(code, env: environment(environment))

  test "the default instance starts from the environment" do
    database = tmp_path("default.db")

    lines =
      run!(
        """
        {:ok, _} = Application.ensure_all_started(:mlflow_sync)
        config = MLflow.config!()
        IO.inspect({config.name, config.tracking_uri, config.sync_interval})
        {:ok, _} = MLflow.Trials.create(%{trial_id: "t1"})
        IO.inspect(inspect(config) =~ "hunter2")
        """,
        %{
          "MLFLOW_TRACKING_URI" => "http://me:hunter2@127.0.0.1:1",
          "MLFLOW_SYNC_DATABASE" => database,
          "MLFLOW_SYNC_INTERVAL" => "77"
        }
      )

    assert lines == [~s({MLflow, "http://127.0.0.1:1", 77}), "false"]
    assert File.exists?(database)
  end

  test "a default instance that cannot start does not stop the application" do
    for {environment, said} <- [
          {%{"MLFLOW_SYNC_DATABASE" => "/proc/nowhere.db"}, "/proc/nowhere.db"},
          {%{"MLFLOW_TRACKING_URI" => "not an address"}, "setting :tracking_uri must be"},
          {%{"MLFLOW_SYNC_INTERVAL" => "soon"}, "MLFLOW_SYNC_INTERVAL must be a whole number"},
          {%{"MLFLOW_TRACKING_PASSWORD" => "x"}, ":password is given without :username"}
        ] do
      lines =
        run!(
          """
          {:ok, _} = Application.ensure_all_started(:mlflow_sync)
          {:error, %MLflow.Error{} = error} = MLflow.Client.version()
          IO.puts("answer: " <> Exception.message(error))
          {:error, ^error} = MLflow.Trials.create(%{trial_id: "t1"})
          {:ok, _} = MLflow.start_link(name: Other, database: System.get_env("OTHER_DATABASE"))
          {:ok, []} = MLflow.Trials.list(name: Other)
          IO.puts("others: fine")
          Logger.flush()
          """,
          environment
          |> Map.put_new("MLFLOW_SYNC_DATABASE", tmp_path("default.db"))
          |> Map.put("OTHER_DATABASE", tmp_path("other.db"))
        )

      assert Enum.any?(lines, &(&1 =~ "answer: " and &1 =~ said))
      assert "others: fine" in lines
      assert Enum.any?(lines, &(&1 =~ "[error] MLflow did not start" and &1 =~ said))
    end
  end

  test "without the application a call is an error that says to start it" do
    lines =
      run!(
        """
        {:error, %MLflow.Error{} = error} = MLflow.Client.version()
        IO.puts("answer: " <> Exception.message(error))
        """,
        %{}
      )

    assert ["answer: " <> message] = lines
    assert message =~ "check that the :mlflow_sync application is started"
  end

  test "a host that stops the application and starts it again has its instance back" do
    lines =
      run!(
        """
        Logger.configure(level: :emergency)
        {:ok, _} = Application.ensure_all_started(:mlflow_sync)
        {:ok, %{id: id}} = MLflow.Trials.create(%{trial_id: "t1"})
        :ok = Application.stop(:mlflow_sync)
        {:ok, _} = Application.ensure_all_started(:mlflow_sync)
        {:ok, %{id: ^id}} = MLflow.Trials.get("t1")
        IO.puts("back")
        """,
        %{"MLFLOW_SYNC_DATABASE" => tmp_path("default.db")}
      )

    assert lines == ["back"]
  end
end
