defmodule MLflow.Store.EmbeddedTest do
  use MLflow.Case, async: true

  alias MLflow.{Error, RunRecord, Runs, Trials}
  alias MLflow.Store.Embedded

  @run_id "0123456789abcdef0123456789abcdef"

  setup do
    name = start_instance()
    {:ok, _} = Trials.create(%{trial_id: "t1", status: :running}, name: name)
    instance = instance!(name)
    {:ok, trial} = Embedded.fetch_trial(instance, "t1")
    %{name: name, instance: instance, trial: trial}
  end

  test "a trial carries the tags that lead back to it", %{name: name, instance: instance} do
    attrs = %{
      trial_id: "t2",
      model_run_id: "m1",
      spectral_norm: false,
      tags: %{team: "a", thunderline_trial_id: "not mine to choose"}
    }

    {:ok, _} = Trials.create(attrs, name: name)
    {:ok, trial} = Embedded.fetch_trial(instance, "t2")

    assert trial.tags == %{
             "team" => "a",
             "thunderline_trial_id" => "t2",
             "thunderline_model_run_id" => "m1",
             "spectral_norm" => "false"
           }
  end

  describe "a claim" do
    test "is fresh once, and then somebody's", %{instance: instance, trial: trial} do
      assert {:ok, {:fresh, %RunRecord{} = record}} = Embedded.claim_run(instance, trial, "1")
      assert {record.model_trial_id, record.mlflow_run_id} == {trial.id, nil}

      error = assert_error(:conflict, Embedded.claim_run(instance, trial, "1"))
      assert error.retryable
      # Soon, and not only when the other's claim has run out.
      assert error.retry_after in 1_000..5_000
    end

    test "that was given back is fresh again", %{instance: instance, trial: trial} do
      {:ok, {:fresh, record}} = Embedded.claim_run(instance, trial, "1")
      assert :ok = Embedded.release_claim(instance, record)
      assert {:ok, {:fresh, _}} = Embedded.claim_run(instance, trial, "1")
    end

    test "ends with the run", %{instance: instance, trial: trial} do
      {:ok, {:fresh, _}} = Embedded.claim_run(instance, trial, "1")
      attrs = %{mlflow_run_id: @run_id, model_trial_id: trial.id}
      {:ok, _} = Embedded.put_run(instance, attrs)

      assert {:ok, {:created, %RunRecord{mlflow_run_id: @run_id}}} =
               Embedded.claim_run(instance, trial, "1")
    end

    test "is one's alone among many at once", %{instance: instance, trial: trial} do
      kinds =
        1..50
        |> Task.async_stream(fn _ -> Embedded.claim_run(instance, trial, "1") end,
          max_concurrency: 50
        )
        |> Enum.frequencies_by(fn
          {:ok, {:ok, {kind, _}}} -> kind
          {:ok, {:error, %Error{kind: kind}}} -> kind
        end)

      assert kinds == %{fresh: 1, conflict: 49}
    end
  end

  describe "put_run/2" do
    test "links the trial, and both can be found", %{name: name, instance: instance, trial: trial} do
      attrs = %{
        mlflow_run_id: @run_id,
        mlflow_experiment_id: "7",
        model_trial_id: trial.id,
        artifact_uri: "s3://b",
        params: %{"lr" => "0.1"},
        status: "finished"
      }

      {:ok, _} = Embedded.put_run(instance, attrs)

      assert {:ok, record} = Runs.get(@run_id, name: name)
      assert Runs.for_trial(trial.id, name: name) == {:ok, record}
      assert {record.status, record.params} == {:finished, %{"lr" => "0.1"}}

      assert {:ok, [^record]} = Runs.list(where: %{mlflow_experiment_id: "7"}, name: name)

      assert {:ok, %{mlflow_run_id: @run_id, artifact_uri: "s3://b"}} =
               Trials.get("t1", name: name)
    end

    test "never replaces a trial's run with a second", %{instance: instance, trial: trial} do
      {:ok, _} = Embedded.put_run(instance, %{mlflow_run_id: @run_id, model_trial_id: trial.id})
      second = %{mlflow_run_id: String.duplicate("f", 32), model_trial_id: trial.id}
      error = assert_error(:already_exists, Embedded.put_run(instance, second))
      assert error.message =~ @run_id
    end

    test "keeps an error until the run is in step again", %{instance: instance, trial: trial} do
      failure = Error.new(:connect, "runs/create", "refused", retryable: true)
      assert :ok = Embedded.put_sync_error(instance, trial, failure)

      assert {:ok, %{sync_error: %{"kind" => "connect", "retryable" => true}}} =
               Embedded.fetch_run_by_trial(instance, trial.id)

      {:ok, record} =
        Embedded.put_run(instance, %{mlflow_run_id: @run_id, model_trial_id: trial.id})

      assert record.sync_error == nil
    end
  end

  test "Runs answer not_found for what is not there", %{name: name} do
    error = assert_error(:not_found, Runs.get(@run_id, name: name))
    assert error.message =~ @run_id
    assert_error(:not_found, Runs.for_trial("nobody", name: name))
    assert Runs.list(name: name) == {:ok, []}
    assert Runs.experiments(name: name) == {:ok, []}
  end

  describe "load_for_sync/2" do
    test "gives the trial, its record and what waits", context do
      %{name: name, instance: instance, trial: trial} = context
      :ok = Trials.log_metrics("t1", [{:a, 1, 1, 1}, {:a, :nan, 2, 2}], name: name)

      assert {:ok, %{record: nil, more?: false} = side} = Embedded.load_for_sync(instance, "t1")
      assert side.points == [{"a", 1.0, 1, 1}, {"a", :nan, 2, 2}]
      assert {:ok, side.trial} == Embedded.fetch_trial(instance, trial.id)

      attrs = %{mlflow_run_id: @run_id, model_trial_id: trial.id, points_seq: side.points_seq}
      {:ok, record} = Embedded.put_run(instance, attrs)
      assert {:ok, next} = Embedded.load_for_sync(instance, trial.id)
      assert {next.record, next.points, next.points_seq} == {record, [], side.points_seq}
      assert next.trial.mlflow_run_id == @run_id
    end

    test "never gives a great many points at once", %{name: name, instance: instance} do
      points = for step <- 1..50_001, do: {:a, step, step, step}
      :ok = Trials.log_metrics("t1", points, name: name)

      assert {:ok, %{more?: true} = side} = Embedded.load_for_sync(instance, "t1")
      assert length(side.points) == 50_000
      {:ok, trial} = Embedded.fetch_trial(instance, "t1")
      attrs = %{mlflow_run_id: @run_id, model_trial_id: trial.id, points_seq: side.points_seq}
      {:ok, _} = Embedded.put_run(instance, attrs)

      assert {:ok, %{more?: false, points: [{"a", 50_001.0, 50_001, 50_001}]}} =
               Embedded.load_for_sync(instance, "t1")
    end

    test "says that there is no such trial", %{instance: instance} do
      assert_error(:not_found, Embedded.load_for_sync(instance, "nobody"))
    end
  end

  describe "local_sides/2" do
    test "is what one query per run would say", %{name: name, instance: instance, trial: trial} do
      {:ok, record} =
        Embedded.put_run(instance, %{
          mlflow_run_id: @run_id,
          model_trial_id: trial.id,
          params: %{"lr" => "0.1"},
          metrics: Map.new(1..40, &{"m#{&1}", &1 / 3}),
          tags: %{},
          sync_error: %{kind: "connect", retryable: true}
        })

      {:ok, _} =
        Trials.create(
          %{
            trial_id: "t2",
            parameters: %{deep: %{list: [1, 2.5, nil, true]}},
            metrics: %{loss: 1}
          },
          name: name
        )

      {:ok, linked} = Embedded.fetch_trial(instance, "t1")
      {:ok, tagged} = Embedded.fetch_trial(instance, "t2")

      asked = [{"foreign", nil}, {@run_id, "t2"}, {"tagged", "t2"}, {"second", "t1"}]

      assert Embedded.local_sides(instance, asked) ==
               {:ok,
                [
                  {nil, nil, false},
                  {record, linked, false},
                  {nil, tagged, true},
                  {nil, nil, false}
                ]}
    end

    test "keeps the order of many runs", %{instance: instance} do
      runs = for n <- 1..600, do: %{mlflow_run_id: "run #{n}", run_name: "#{n}"}
      assert Embedded.put_runs(instance, runs) == {:ok, 600}

      asked = for n <- Enum.shuffle(1..700), do: {"run #{n}", nil}
      {:ok, sides} = Embedded.local_sides(instance, asked)

      for {{id, nil}, {record, nil, false}} <- Enum.zip(asked, sides) do
        "run " <> n = id

        assert if(record, do: {record.mlflow_run_id, record.run_name}) ==
                 if(String.to_integer(n) <= 600, do: {id, n})
      end

      assert Embedded.local_sides(instance, []) == {:ok, []}
    end
  end

  describe "put_runs/2" do
    test "links the trials and names what is no column", context do
      %{name: name, instance: instance, trial: trial} = context
      attrs = %{mlflow_run_id: @run_id, model_trial_id: trial.id, status: :finished}
      assert Embedded.put_runs(instance, [attrs, %{mlflow_run_id: "other"}]) == {:ok, 2}
      assert {:ok, %{mlflow_run_id: @run_id}} = Trials.get("t1", name: name)
      assert {:ok, %{status: :finished}} = Runs.for_trial(trial.id, name: name)
      assert Embedded.put_runs(instance, []) == {:ok, 0}

      error = assert_error(:invalid, Embedded.put_runs(instance, [%{stauts: :finished}]))
      assert error.message =~ "did you mean :status"
    end
  end

  describe "update_trial/3" do
    test "writes what was pulled into the trial", context do
      %{name: name, instance: instance} = context

      {:ok, _} =
        Trials.update("t1", %{tags: %{keep: "1", drop: "2"}, parameters: %{lr: 1}}, name: name)

      pull = %{
        name: "renamed",
        status: :finished,
        start_time: 1_600_000_000_000,
        end_time: 1_700_000_000_000,
        artifact_uri: "s3://theirs",
        metric_values: %{"loss" => 0.5, "odd" => :nan},
        params: %{"opt" => "adam"},
        tags: %{"team" => "a"},
        deleted_tags: ["drop"],
        points: [{"loss", 0.5, 1, 1}, {"odd", :nan, 1, 1}]
      }

      {:ok, trial} = Embedded.fetch_trial(instance, "t1")
      assert {:ok, {2, version}} = Embedded.update_trial(instance, trial, pull)
      assert {:ok, pulled} = Trials.get("t1", name: name)
      assert pulled.name == "renamed"
      assert pulled.status == :succeeded
      assert DateTime.to_unix(pulled.completed_at, :millisecond) == 1_700_000_000_000
      assert pulled.parameters == %{"lr" => 1, "opt" => "adam"}
      assert pulled.tags == %{"keep" => "1", "team" => "a"}
      assert pulled.metrics == %{"loss" => 0.5, "odd" => "NaN"}
      assert pulled.artifact_uri == "s3://theirs"
      assert DateTime.to_unix(pulled.started_at, :millisecond) == 1_600_000_000_000
      {:ok, points} = Trials.history("t1", nil, name: name)
      assert Enum.map(points, & &1.key) == ["loss", "odd"]

      assert {:ok, %{points: [], trial: %{version: ^version}}} =
               Embedded.load_for_sync(instance, "t1")

      # Read before somebody wrote it: what they wrote stays.
      error = assert_error(:conflict, Embedded.update_trial(instance, trial, pull))
      assert error.retryable
    end
  end

  describe "due_trials/2" do
    test "wants what is not in step, and nothing else", context do
      %{name: name, instance: instance, trial: trial} = context
      {:ok, done} = Trials.create(%{trial_id: "t2", status: :succeeded}, name: name)
      {:ok, done_trial} = Embedded.fetch_trial(instance, "t2")
      assert {:ok, ids} = Embedded.due_trials(instance, 10)
      assert Enum.sort(ids) == Enum.sort([trial.id, done.id])

      for {run, trial} <- [{@run_id, done_trial}, {String.duplicate("a", 32), trial}] do
        attrs = %{
          mlflow_run_id: run,
          model_trial_id: trial.id,
          synced_at: trial.version,
          points_seq: 0
        }

        {:ok, _} = Embedded.put_run(instance, attrs)
      end

      # A running trial is always looked at again.
      assert Embedded.due_trials(instance, 10) == {:ok, [trial.id]}

      {:ok, _} = Trials.update("t2", %{rank: 7}, name: name)
      assert {:ok, ids} = Embedded.due_trials(instance, 10)
      assert done.id in ids
      assert {:ok, [_]} = Embedded.due_trials(instance, 1)
    end

    test "leaves alone what failed for good, until the trial changes", context do
      %{name: name, instance: instance, trial: trial} = context
      :ok = Embedded.put_sync_error(instance, trial, Error.new(:invalid, "x", "no"))
      assert Embedded.due_trials(instance, 10) == {:ok, []}
      {:ok, _} = Trials.update("t1", %{rank: 1}, name: name)
      assert Embedded.due_trials(instance, 10) == {:ok, [trial.id]}
    end
  end

  test "an instance with another store says that this needs the embedded one" do
    defmodule OtherStore do
      def open(_config), do: {:ok, nil}
      def close(_instance), do: :ok
    end

    {:ok, instance} =
      start_supervised!(
        {Agent,
         fn ->
           config = MLflow.Config.new(name: unique_name(), store: OtherStore)
           {:ok, %MLflow.Instance{name: config.name, config: config, engine: nil}}
         end}
      )
      |> Agent.get(& &1)

    error = assert_error(:config, Embedded.call(instance, {:get_job, 1}))
    assert error.message =~ "needs the embedded store"
    assert error.message =~ "OtherStore"
  end
end
