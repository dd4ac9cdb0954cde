defmodule MLflow.ModelRunsTest do
  use MLflow.Case, async: true

  alias MLflow.{ModelRun, ModelRuns}

  setup do
    %{name: start_instance()}
  end

  test "create/2 keeps what it is given", %{name: name} do
    attrs = %{
      run_id: "search-1",
      state: :running,
      search_space_version: 2,
      max_params: 1_000_000,
      requested_trials: 10,
      best_metric: 0.9,
      metadata: %{team: "a"},
      started_at: ~U[2024-01-02 03:04:05Z]
    }

    assert {:ok, %ModelRun{id: id} = created} = ModelRuns.create(attrs, name: name)
    assert ModelRuns.get(id, name: name) == {:ok, created}
    assert ModelRuns.get("search-1", name: name) == {:ok, created}
    assert created.state == :running
    assert created.metadata == %{"team" => "a"}
    assert DateTime.compare(created.started_at, ~U[2024-01-02 03:04:05Z]) == :eq
  end

  test "a run_id is required and unique", %{name: name} do
    assert {:ok, _} = ModelRuns.create(%{run_id: "s"}, name: name)
    assert_error(:already_exists, ModelRuns.create(%{run_id: "s"}, name: name))
    assert_error(:invalid, ModelRuns.create(%{state: :running}, name: name))
    assert {:ok, [_]} = ModelRuns.list(name: name)
  end

  test "put/2 creates or changes", %{name: name} do
    assert {:ok, first} = ModelRuns.put(%{run_id: "s", state: :running}, name: name)
    assert {:ok, second} = ModelRuns.put(%{run_id: "s", max_params: 5}, name: name)
    assert {second.id, second.state, second.max_params} == {first.id, :running, 5}
    assert {:ok, [_]} = ModelRuns.list(name: name)
  end

  test "update/3 finds by either id", %{name: name} do
    {:ok, %{id: id}} = ModelRuns.create(%{run_id: "s"}, name: name)
    assert {:ok, %{state: :failed}} = ModelRuns.update("s", %{state: "failed"}, name: name)

    assert {:ok, %{error_message: "oom"}} =
             ModelRuns.update(id, [error_message: "oom"], name: name)

    assert_error(:not_found, ModelRuns.update("nobody", %{state: :failed}, name: name))
    assert_error(:not_found, ModelRuns.get("nobody", name: name))
  end

  test "mistakes name the right column and the states there are", %{name: name} do
    error = assert_error(:invalid, ModelRuns.create(%{run_id: "s", sate: :running}, name: name))
    assert error.message =~ "did you mean :state?"
    error = assert_error(:invalid, ModelRuns.create(%{run_id: "s", state: :done}, name: name))
    assert error.message =~ ":initialized"
    assert error.message =~ "got :done"
    assert ModelRuns.list(name: name) == {:ok, []}
  end

  test "list/1 takes where, limit and offset", %{name: name} do
    for n <- 1..3,
        do: {:ok, _} = ModelRuns.create(%{run_id: "s#{n}", max_params: rem(n, 2)}, name: name)

    ids = fn opts ->
      {:ok, runs} = ModelRuns.list([name: name] ++ opts)
      Enum.map(runs, & &1.run_id)
    end

    assert ids.([]) == ~w(s1 s2 s3)
    assert ids.(where: %{max_params: 1}) == ~w(s1 s3)
    assert ids.(newest_first: true, limit: 1) == ~w(s3)
    assert ids.(limit: 1, offset: 1) == ~w(s2)
  end
end
