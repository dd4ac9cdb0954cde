defmodule MLflow.InstanceTest do
  use MLflow.Case, async: true

  alias MLflow.{Client, Instance, Trials}

  # The caller traps no exits: it must survive what cannot start.
  defp start(opts), do: MLflow.start_link(instance_options(opts))

  test "an instance is found by its name, and shows its configuration without secrets" do
    name = start_instance(password: "hunter2", username: "me")
    assert {:ok, %Instance{name: ^name}} = Instance.fetch(name: name)
    assert MLflow.config!(name: name).username == "me"
    refute inspect(instance!(name)) =~ "hunter2"
    refute inspect(MLflow.config!(name: name)) =~ "hunter2"
  end

  test "a missing instance is an error that says what to do" do
    error = assert_error(:config, Instance.fetch(name: Nobody))
    assert error.message =~ "add {MLflow, name: Nobody} to a supervision tree"
    assert_raise MLflow.Error, fn -> MLflow.config!(name: Nobody) end
    assert_error(:config, Trials.list(name: Nobody))
    assert_error(:config, MLflow.SyncWorker.sync_trial_to_mlflow("t1", name: Nobody))
    assert_error(:config, MLflow.default_experiment(name: Nobody))
  end

  test "an instance that was stopped is missing" do
    name = start_instance()
    stop_instance(name)
    assert_error(:config, Client.version(name: name))
  end

  test "a name is taken once, and the first keeps working" do
    name = start_instance()
    error = assert_error(:config, start(name: name))
    assert error.message =~ "an MLflow instance named #{inspect(name)} is running already"
    assert error.message =~ ":name"
    assert Trials.list(name: name) == {:ok, []}
  end

  test "a mistaken setting is an error, and nothing is started" do
    name = unique_name()
    error = assert_error(:config, start(name: name, tracking_url: "http://localhost"))
    assert error.message =~ "did you mean :tracking_uri?"
    assert_error(:config, Instance.fetch(name: name))
  end

  test "a setting that only the engine can judge is an error too" do
    missing = tmp_path("missing.pem")

    error =
      assert_error(:config, start(server_cert_path: missing, tracking_uri: "https://localhost"))

    assert error.message =~ missing
  end

  describe "a database that cannot be opened is an error that says why:" do
    test "something else's file" do
      path = tmp_path("text.db")
      File.write!(path, String.duplicate("this is no database. ", 1_000))
      error = assert_error(:store, start(database: path))
      assert error.message =~ path
      assert File.read!(path) =~ "this is no database"
    end

    test "a damaged file of ours" do
      path = tmp_path("damaged.db")
      name = start_instance(database: path)
      {:ok, _} = Trials.create(%{trial_id: "t1"}, name: name)
      stop_instance(name)

      {:ok, file} = :file.open(path, [:read, :write, :binary, :raw])
      :ok = :file.pwrite(file, 0, :crypto.strong_rand_bytes(512))
      :ok = :file.close(file)

      error = assert_error(:store, start(database: path))
      assert error.message =~ path
    end

    test "a newer version's file" do
      path = tmp_path("newer.db")
      stop_instance(start_instance(database: path))
      # PRAGMA user_version is the 4 bytes from offset 60 of the header.
      {:ok, file} = :file.open(path, [:read, :write, :binary, :raw])
      :ok = :file.pwrite(file, 60, <<99::32>>)
      :ok = :file.close(file)

      error = assert_error(:store, start(database: path))
      assert error.message =~ "schema version 99"
      assert error.message =~ "upgrade mlflow_sync"
    end

    test "a folder that cannot be made" do
      file = tmp_path("file")
      File.write!(file, "")
      error = assert_error(:store, start(database: Path.join(file, "mlflow.db")))
      assert error.message =~ "folder cannot be created"
    end

    test "a folder that cannot be written to" do
      # Not even root creates files there.
      error = assert_error(:store, start(database: "/proc/mlflow.db"))
      assert error.message =~ "/proc/mlflow.db"
    end

    test "a path that is a folder" do
      folder = Path.dirname(tmp_path("file"))
      error = assert_error(:store, start(database: folder))
      assert error.message =~ folder
    end
  end

  test "after a failed start the name is free and nothing is left behind" do
    name = unique_name()
    assert_error(:store, start(name: name, database: "/proc/mlflow.db"))
    assert {:ok, pid} = start(name: name)
    assert Trials.list(name: name) == {:ok, []}
    Supervisor.stop(pid)
  end

  test "a folder that is missing is made" do
    path = Path.join([Path.dirname(tmp_path("x")), "a", "b", "mlflow.db"])
    name = start_instance(database: path)
    assert File.exists?(path)
    assert Trials.list(name: name) == {:ok, []}
  end

  test "a process of the instance that is killed comes back, with its data" do
    name = start_instance()
    {:ok, created} = Trials.create(%{trial_id: "t1"}, name: name)
    [{pid, before}] = Registry.lookup(MLflow.Registry, name)
    Process.exit(pid, :kill)

    eventually(fn ->
      match?(
        [{_, %{store: store}}] when store != before.store,
        Registry.lookup(MLflow.Registry, name)
      )
    end)

    assert Trials.get("t1", name: name) == {:ok, created}
  end

  test "child_spec/1 takes its id from the name, so that two go into one tree" do
    assert %{id: A} = MLflow.child_spec(name: A)
    assert %{id: MLflow, type: :supervisor} = MLflow.child_spec([])
    children = [{MLflow, instance_options()}, {MLflow, instance_options()}]
    assert {:ok, pid} = Supervisor.start_link(children, strategy: :one_for_one)
    assert Supervisor.count_children(pid).active == 2
    Supervisor.stop(pid)
  end

  test "stopping an instance leaves the file whole and without a log" do
    path = tmp_path("tidy.db")
    name = start_instance(database: path)
    {:ok, _} = Trials.create(%{trial_id: "t1"}, name: name)
    stop_instance(name)
    assert {:ok, %{size: size}} = File.stat(path)
    assert size > 0
    refute File.exists?(path <> "-wal")
  end
end
