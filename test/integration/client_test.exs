defmodule MLflow.Integration.ClientTest do
  use MLflow.IntegrationCase, async: true

  alias MLflow.{Client, Metric}

  @at 1_700_000_000_000

  each_server do
    test "answers its version and is healthy", %{name: name, version: version} do
      assert Client.version(name: name) == {:ok, version}
      assert Client.health(name: name) == {:ok, %{version: version}}
      assert Client.wait_for_ready(name: name) == {:ok, %{version: version}}
    end

    test "the life of an experiment", %{name: name} do
      label = unique("life ")

      assert {:ok, %{experiment_id: id}} =
               Client.create_experiment(label, tags: [team: "a"], name: name)

      assert {:ok, experiment} = Client.get_experiment(id, name: name)
      assert {experiment.name, experiment.lifecycle_stage} == {label, :active}
      assert experiment.tags["team"] == "a"
      assert is_binary(experiment.artifact_location)
      assert Client.get_experiment_by_name(label, name: name) == {:ok, experiment}

      assert_error(:already_exists, Client.create_experiment(label, name: name))

      assert :ok = Client.set_experiment_tag(id, :team, "b", name: name)
      assert :ok = Client.update_experiment(id, label <> " renamed", name: name)
      assert {:ok, %{tags: %{"team" => "b"}} = renamed} = Client.get_experiment(id, name: name)
      assert renamed.name == label <> " renamed"

      filter = "name = '#{renamed.name}'"

      search =
        &(Client.search_experiments([filter: filter, name: name] ++ &1)
          |> Enum.map(fn e -> e.experiment_id end))

      assert search.([]) == [id]
      assert :ok = Client.delete_experiment(id, name: name)
      assert search.([]) == []
      assert search.(view_type: :deleted_only) == [id]
      assert search.(view_type: :all) == [id]
      assert {:ok, %{lifecycle_stage: :deleted}} = Client.get_experiment(id, name: name)
      assert_error(:already_exists, Client.create_experiment(renamed.name, name: name))
      assert :ok = Client.restore_experiment(id, name: name)
      assert {:ok, %{lifecycle_stage: :active}} = Client.get_experiment(id, name: name)
    end

    test "experiments come in pages", %{name: name} do
      prefix = unique("pages ")

      ids =
        for n <- 1..5 do
          {:ok, %{experiment_id: id}} = Client.create_experiment("#{prefix} #{n}", name: name)
          id
        end

      found =
        Client.search_experiments(filter: "name LIKE '#{prefix}%'", max_results: 2, name: name)
        |> Enum.map(& &1.experiment_id)

      assert Enum.sort(found) == Enum.sort(ids)
    end

    test "the life of a run", %{name: name} do
      experiment = new_experiment(name)

      assert {:ok, created} =
               Client.create_run(experiment,
                 run_name: "first",
                 start_time: @at,
                 tags: %{team: "a"},
                 user_id: "somebody",
                 name: name
               )

      assert {created.experiment_id, created.status} == {experiment, :running}
      assert {:ok, run} = Client.get_run(created.run_id, name: name)
      assert {run.name, run.start_time, run.lifecycle_stage} == {"first", @at, :active}
      assert run.tags["team"] == "a"
      assert is_binary(run.artifact_uri)

      assert :ok = Client.update_run(run.run_id, [run_name: "best"], name: name)
      assert {:ok, %{name: "best", status: :running}} = Client.get_run(run.run_id, name: name)
      assert :ok = Client.update_run(run.run_id, :finished, end_time: @at + 5, name: name)
      assert {:ok, ended} = Client.get_run(run.run_id, name: name)
      assert {ended.name, ended.status, ended.end_time} == {"best", :finished, @at + 5}

      for status <- [:scheduled, :failed, :killed, :running] do
        assert :ok = Client.update_run(run.run_id, status, name: name)
        assert {:ok, %{status: ^status}} = Client.get_run(run.run_id, name: name)
      end

      assert :ok = Client.delete_run(run.run_id, name: name)
      assert {:ok, %{lifecycle_stage: :deleted}} = Client.get_run(run.run_id, name: name)
      assert {:error, %{retryable: false}} = Client.log_metric(run.run_id, :a, 1, name: name)
      assert :ok = Client.restore_run(run.run_id, name: name)
      assert {:ok, %{lifecycle_stage: :active}} = Client.get_run(run.run_id, name: name)
    end

    test "metrics, params and tags, one by one", %{name: name} do
      run_id = new_run(name)
      assert :ok = Client.log_metric(run_id, :loss, 0.5, step: 3, timestamp: @at, name: name)
      assert :ok = Client.log_metric(run_id, "loss", 0.4, step: 4, timestamp: @at + 1, name: name)
      assert :ok = Client.log_param(run_id, :layers, [64, 32], name: name)
      assert :ok = Client.log_param(run_id, :layers, [64, 32], name: name)
      assert :ok = Client.set_tag(run_id, :note, "ünïcode 🙂 \"quoted\"", name: name)
      assert :ok = Client.set_tag(run_id, :gone, 1, name: name)
      assert :ok = Client.delete_tag(run_id, :gone, name: name)

      assert {:ok, run} = Client.get_run(run_id, name: name)
      assert run.metrics == %{"loss" => 0.4}
      assert run.latest_metrics == [%Metric{key: "loss", value: 0.4, step: 4, timestamp: @at + 1}]
      assert run.params == %{"layers" => "[64,32]"}
      assert run.tags["note"] == "ünïcode 🙂 \"quoted\""
      refute Map.has_key?(run.tags, "gone")

      assert Client.get_metric_history(run_id, :loss, name: name) ==
               {:ok,
                [
                  %Metric{key: "loss", value: 0.5, step: 3, timestamp: @at},
                  %Metric{key: "loss", value: 0.4, step: 4, timestamp: @at + 1}
                ]}
    end

    test "a param with another value is invalid, and the first stays", %{name: name} do
      run_id = new_run(name)
      assert :ok = Client.log_param(run_id, :lr, 0.1, name: name)
      error = assert_error(:invalid, Client.log_param(run_id, :lr, 0.2, name: name))
      assert error.code == "INVALID_PARAMETER_VALUE"
      assert_error(:invalid, Client.log_batch_params(run_id, [lr: 0.3], name: name))
      assert {:ok, %{params: %{"lr" => "0.1"}}} = Client.get_run(run_id, name: name)
    end

    test "NaN and the infinities come back as what they are", %{name: name} do
      run_id = new_run(name)
      points = [{:a, :nan, 1, @at}, {:b, :infinity, 1, @at}, {:c, :neg_infinity, 1, @at}]
      assert :ok = Client.log_batch_metrics(run_id, points, name: name)
      assert :ok = Client.log_metric(run_id, :d, :nan, name: name)
      assert {:ok, %{metrics: metrics}} = Client.get_run(run_id, name: name)
      assert %{"a" => :nan, "d" => :nan} = metrics
      # A server's database has no infinity, and hands back the largest number there is.
      assert metrics["b"] in [:infinity, 1.7976931348623157e308]
      assert metrics["c"] in [:neg_infinity, -1.7976931348623157e308]
      assert {:ok, [%Metric{value: :nan}]} = Client.get_metric_history(run_id, :a, name: name)
    end

    test "one log_batch takes more than any request may hold", %{name: name} do
      run_id = new_run(name)
      metrics = for n <- 1..2_300, do: {"m", n / 7, n, @at + n}
      params = for n <- 1..250, do: {"p#{n}", String.duplicate("v", 300)}
      tags = for n <- 1..120, do: {"t#{n}", n}
      batch = [metrics: metrics, params: params, tags: tags]

      assert :ok = Client.log_batch(run_id, batch, name: name)
      # A repetition is absorbed.
      assert :ok = Client.log_batch(run_id, batch, name: name)

      assert {:ok, run} = Client.get_run(run_id, name: name)
      assert map_size(run.params) == 250
      assert Enum.all?(1..120, &(run.tags["t#{&1}"] == "#{&1}"))
      assert {:ok, points} = Client.get_metric_history(run_id, :m, name: name)
      assert Enum.map(points, &{&1.key, &1.value, &1.step, &1.timestamp}) == metrics
    end

    @tag :slow
    test "a history of more than one page comes whole", %{name: name} do
      run_id = new_run(name)
      points = for n <- 1..26_000, do: {"m", n * 1.0, n, @at + n}
      assert :ok = Client.log_batch_metrics(run_id, points, name: name)
      assert {:ok, history} = Client.get_metric_history(run_id, :m, name: name)
      assert Enum.map(history, &{&1.key, &1.value, &1.step, &1.timestamp}) == points
    end

    test "runs are searched with filter, order and pages", %{name: name} do
      experiment = new_experiment(name)

      for n <- 1..7 do
        {:ok, run} = Client.create_run(experiment, run_name: "r#{n}", name: name)
        parity = if rem(n, 2) == 0, do: "even", else: "odd"
        batch = [metrics: %{acc: n / 10}, params: %{n: n}, tags: %{parity: parity}]
        :ok = Client.log_batch(run.run_id, batch, name: name)
      end

      search = fn opts ->
        Client.search_runs(experiment, [name: name] ++ opts) |> Enum.map(& &1.name)
      end

      assert search.(order_by: "metrics.acc DESC") == ~w(r7 r6 r5 r4 r3 r2 r1)
      assert search.(order_by: ["metrics.acc ASC"], max_results: 2) == ~w(r1 r2 r3 r4 r5 r6 r7)
      assert search.(filter: "metrics.acc > 0.45", order_by: "metrics.acc ASC") == ~w(r5 r6 r7)

      assert search.(
               filter: "tags.parity = 'even' and metrics.acc < 0.5",
               order_by: "metrics.acc ASC"
             ) == ~w(r2 r4)

      assert search.(filter: "params.n = '3'") == ~w(r3)
      assert_raise MLflow.Error, fn -> search.(filter: "this is no filter") end

      [%{run_id: id}] =
        Client.search_runs(experiment, filter: "params.n = '3'", name: name) |> Enum.to_list()

      :ok = Client.delete_run(id, name: name)
      assert search.(filter: "params.n = '3'") == []
      assert search.(view_type: :deleted_only) == ~w(r3)
      assert length(search.(view_type: :all)) == 7
    end

    test "what does not exist is not_found", %{name: name} do
      nobody = String.duplicate("f", 32)
      error = assert_error(:not_found, Client.get_run(nobody, name: name))
      assert {error.status, error.code} == {404, "RESOURCE_DOES_NOT_EXIST"}
      assert_error(:not_found, Client.get_experiment("999999999", name: name))
      assert_error(:not_found, Client.get_experiment_by_name(unique("nobody "), name: name))
      assert_error(:not_found, Client.create_run("999999999", name: name))
      assert_error(:not_found, Client.log_metric(nobody, :a, 1, name: name))
      assert_error(:not_found, Client.set_tag(nobody, :a, 1, name: name))
      assert_error(:not_found, Client.delete_tag(new_run(name), :nothing, name: name))

      assert Client.get_metric_history(nobody, :a, name: name) in [{:ok, []}] or
               match?(
                 {:error, %{kind: :not_found}},
                 Client.get_metric_history(nobody, :a, name: name)
               )

      assert Client.get_metric_history(new_run(name), :a, name: name) == {:ok, []}
    end

    test "a run cannot be created in a deleted experiment", %{name: name} do
      experiment = new_experiment(name)
      :ok = Client.delete_experiment(experiment, name: name)
      assert {:error, %{retryable: false}} = Client.create_run(experiment, name: name)
    end

    test "a wrong path on the server is told from a missing run", %{uri: uri} do
      name = start_instance(tracking_uri: uri <> "/nothing/here")
      error = assert_error(:not_mlflow, Client.get_run(String.duplicate("f", 32), name: name))
      assert error.message =~ "tracking_uri"
    end
  end
end
