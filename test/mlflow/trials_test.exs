defmodule MLflow.TrialsTest do
  use MLflow.Case, async: true

  alias MLflow.{Metric, ModelTrial, Trials}

  setup do
    %{name: start_instance()}
  end

  describe "create/2" do
    test "keeps a trial of Thunderline's table", %{name: name} do
      attrs = %{
        trial_id: "t1",
        status: :succeeded,
        metrics: %{accuracy: 0.93, val: %{loss: 0.1}, note: "good"},
        parameters: %{lr: 0.1, layers: [64, 32], opt: %{name: "adam"}},
        spectral_norm: true,
        artifact_uri: "s3://b/t1",
        duration_ms: 1_500,
        rank: 1,
        warnings: ["slow"],
        candidate_id: "c1",
        pulse_id: "p1",
        bridge_payload: %{raw: [1, 2]}
      }

      assert {:ok, %ModelTrial{id: id} = created} = Trials.create(attrs, name: name)
      assert {:ok, trial} = Trials.get("t1", name: name)
      assert trial == created
      assert Trials.get(id, name: name) == {:ok, trial}

      assert trial.status == :succeeded
      assert trial.metrics == %{"accuracy" => 0.93, "val" => %{"loss" => 0.1}, "note" => "good"}

      assert trial.parameters ==
               %{"lr" => 0.1, "layers" => [64, 32], "opt" => %{"name" => "adam"}}

      assert trial.spectral_norm == true
      assert trial.duration_ms == 1_500
      assert trial.warnings == ["slow"]
      assert trial.bridge_payload == %{"raw" => [1, 2]}
      assert %DateTime{} = trial.inserted_at
    end

    test "keeps a trial of the phase-5 document", %{name: name} do
      attrs = [
        trial_id: "t1",
        status: "completed",
        hyperparameters: %{lr: 0.1},
        final_accuracy: 0.9,
        final_loss: 0.2,
        best_metric_value: 0.95,
        started_at: ~U[2024-01-02 03:04:05.678Z],
        completed_at: ~N[2024-01-02 03:05:00]
      ]

      assert {:ok, trial} = Trials.create(attrs, name: name)
      assert trial.status == :completed
      assert trial.hyperparameters == %{"lr" => 0.1}
      assert {trial.final_accuracy, trial.final_loss, trial.best_metric_value} == {0.9, 0.2, 0.95}
      assert trial.started_at == ~U[2024-01-02 03:04:05.678Z]
      assert DateTime.compare(trial.completed_at, ~U[2024-01-02 03:05:00Z]) == :eq

      assert {:ok, points} = Trials.history("t1", nil, name: name)

      assert Enum.map(points, &{&1.key, &1.value}) == [
               {"best_metric_value", 0.95},
               {"final_accuracy", 0.9},
               {"final_loss", 0.2}
             ]
    end

    test "takes string keys too", %{name: name} do
      attrs = %{"trial_id" => "t1", "status" => "failed", "metrics" => %{"loss" => 0.5}}
      assert {:ok, %{status: :failed}} = Trials.create(attrs, name: name)
      assert {:ok, [%Metric{key: "loss", value: 0.5}]} = Trials.history("t1", nil, name: name)
    end

    test "names the nearest of an unknown column, and writes nothing", %{name: name} do
      for {wrong, right} <- [
            parametres: :parameters,
            final_acuracy: :final_accuracy,
            stauts: :status
          ] do
        attrs = [{:trial_id, "t1"}, {wrong, 1}]
        error = assert_error(:invalid, Trials.create(attrs, name: name))
        assert error.message =~ "no column #{inspect(wrong)}; did you mean #{inspect(right)}?"
      end

      assert Trials.list(name: name) == {:ok, []}
    end

    test "refuses a status that is none, and names those there are", %{name: name} do
      attrs = %{trial_id: "t1", status: :done}
      error = assert_error(:invalid, Trials.create(attrs, name: name))
      assert error.message =~ ":succeeded"
      assert error.message =~ "got :done"
      assert Trials.list(name: name) == {:ok, []}
    end

    test "needs a trial id that nobody has", %{name: name} do
      for attrs <- [%{}, %{trial_id: ""}, %{trial_id: nil}, %{trial_id: 5}] do
        assert_error(:invalid, Trials.create(attrs, name: name))
      end

      assert {:ok, _} = Trials.create(%{trial_id: "t1", rank: 1}, name: name)
      assert_error(:already_exists, Trials.create(%{trial_id: "t1", rank: 2}, name: name))
      assert {:ok, %{rank: 1}} = Trials.get("t1", name: name)
    end

    test "refuses values of the wrong kind, and names the column", %{name: name} do
      for {column, value} <- [duration_ms: "long", spectral_norm: "maybe", name: 5] do
        attrs = [{:trial_id, "t1"}, {column, value}]
        error = assert_error(:invalid, Trials.create(attrs, name: name))
        assert error.message =~ Atom.to_string(column)
      end
    end

    test "keeps final numbers that the BEAM has no floats for", %{name: name} do
      attrs = %{trial_id: "t1", final_loss: :nan, best_metric_value: :infinity}
      assert {:ok, _} = Trials.create(attrs, name: name)

      assert {:ok, [best, loss]} = Trials.history("t1", nil, name: name)
      assert {best.key, best.value} == {"best_metric_value", :infinity}
      assert {loss.key, loss.value} == {"final_loss", :nan}
    end

    test "a trial that comes ended and without times ends now", %{name: name} do
      before = System.system_time(:millisecond)
      assert {:ok, trial} = Trials.create(%{trial_id: "t1", status: :failed}, name: name)
      ended = DateTime.to_unix(trial.completed_at, :millisecond)
      assert ended in before..System.system_time(:millisecond)
    end

    test "a trial whose times tell its end is left alone", %{name: name} do
      attrs = %{
        trial_id: "t1",
        status: :failed,
        started_at: ~U[2024-01-02 03:04:05Z],
        duration_ms: 10
      }

      assert {:ok, %{completed_at: nil}} = Trials.create(attrs, name: name)
    end
  end

  describe "update/3" do
    test "changes what it is given, by either id", %{name: name} do
      {:ok, %{id: id}} = Trials.create(%{trial_id: "t1", rank: 1, candidate_id: "c"}, name: name)
      assert {:ok, %{rank: 2, candidate_id: "c"}} = Trials.update("t1", %{rank: 2}, name: name)

      assert {:ok, %{rank: 3, candidate_id: nil}} =
               Trials.update(id, [rank: 3, candidate_id: nil], name: name)
    end

    test "moves updated_at only for a change", %{name: name} do
      {:ok, created} = Trials.create(%{trial_id: "t1", rank: 1}, name: name)
      assert {:ok, ^created} = Trials.update("t1", %{rank: 1}, name: name)
      assert {:ok, changed} = Trials.update("t1", %{rank: 2}, name: name)
      assert DateTime.compare(changed.updated_at, created.updated_at) == :gt
    end

    test "of an unknown trial says how to create it", %{name: name} do
      error = assert_error(:not_found, Trials.update("nobody", %{rank: 1}, name: name))
      assert error.message =~ ~s("nobody")
      assert error.message =~ "MLflow.Trials.create/2"
    end

    test "refuses what create refuses, and writes nothing", %{name: name} do
      {:ok, created} = Trials.create(%{trial_id: "t1"}, name: name)
      assert_error(:invalid, Trials.update("t1", %{status: :done}, name: name))
      assert_error(:invalid, Trials.update("t1", %{rnak: 1}, name: name))
      assert_error(:invalid, Trials.update("t1", %{rank: 1, duration_ms: "x"}, name: name))
      assert Trials.get("t1", name: name) == {:ok, created}
    end

    test "notes when a trial ended, once", %{name: name} do
      {:ok, %{completed_at: nil}} = Trials.create(%{trial_id: "t1", status: :running}, name: name)
      {:ok, %{completed_at: ended}} = Trials.update("t1", %{status: :succeeded}, name: name)
      assert %DateTime{} = ended
      assert {:ok, %{completed_at: ^ended}} = Trials.update("t1", %{status: :failed}, name: name)
    end
  end

  describe "final values" do
    test "that repeat the latest logged point add none", %{name: name} do
      {:ok, _} = Trials.create(%{trial_id: "t1", status: :running}, name: name)
      :ok = Trials.log_metrics("t1", [{:loss, 0.9, 1}, {:loss, 0.5, 2}], name: name)
      {:ok, _} = Trials.update("t1", %{metrics: %{loss: 0.5}}, name: name)

      assert {:ok, points} = Trials.history("t1", :loss, name: name)
      assert Enum.map(points, &{&1.step, &1.value}) == [{1, 0.9}, {2, 0.5}]
    end

    test "that say something else are one more point, the latest", %{name: name} do
      {:ok, _} = Trials.create(%{trial_id: "t1", status: :running}, name: name)
      future = System.system_time(:millisecond) + 60_000
      :ok = Trials.log_metrics("t1", [{:loss, 0.9, 2, future}], name: name)
      {:ok, _} = Trials.update("t1", %{metrics: %{loss: 0.4}}, name: name)

      assert {:ok, [first, last]} = Trials.history("t1", :loss, name: name)
      assert {first.value, last.value} == {0.9, 0.4}
      assert last.step == 2
      assert last.timestamp > future
    end

    test "that are written again add nothing", %{name: name} do
      {:ok, _} = Trials.create(%{trial_id: "t1", metrics: %{a: 1, b: :nan}}, name: name)
      {:ok, _} = Trials.update("t1", %{metrics: %{a: 1.0, b: "NaN"}}, name: name)
      assert {:ok, points} = Trials.history("t1", nil, name: name)
      assert Enum.map(points, &{&1.key, &1.value}) == [{"a", 1.0}, {"b", :nan}]
    end
  end

  describe "log_metrics/3 and history/3" do
    setup %{name: name} do
      {:ok, _} = Trials.create(%{trial_id: "t1", status: :running}, name: name)
      :ok
    end

    test "keep every point, by key, step and time", %{name: name} do
      assert :ok = Trials.log_metrics("t1", %{loss: 0.7}, step: 2, timestamp: 20, name: name)
      assert :ok = Trials.log_metrics("t1", [{:loss, 0.9, 1, 10}, {"acc", 1, 1, 10}], name: name)
      assert :ok = Trials.log_metrics("t1", [{:loss, :nan, 3, 30}], name: name)

      assert Trials.history("t1", nil, name: name) ==
               {:ok,
                [
                  %Metric{key: "acc", value: 1.0, step: 1, timestamp: 10},
                  %Metric{key: "loss", value: 0.9, step: 1, timestamp: 10},
                  %Metric{key: "loss", value: 0.7, step: 2, timestamp: 20},
                  %Metric{key: "loss", value: :nan, step: 3, timestamp: 30}
                ]}

      assert {:ok, [%{key: "acc"}]} = Trials.history("t1", :acc, name: name)
      assert Trials.history("t1", "none", name: name) == {:ok, []}
    end

    test "a point that was recorded before is not recorded twice", %{name: name} do
      points = [{:loss, 0.9, 1, 10}, {:odd, :nan, 1, 10}]
      for _ <- 1..3, do: :ok = Trials.log_metrics("t1", points, name: name)
      assert {:ok, [_, _]} = Trials.history("t1", nil, name: name)
    end

    test "a point of the same moment with another value is another", %{name: name} do
      :ok = Trials.log_metrics("t1", [{:loss, 0.9, 1, 10}, {:loss, 0.8, 1, 10}], name: name)
      assert {:ok, [_, _]} = Trials.history("t1", nil, name: name)
    end

    test "make the trial one that changed", %{name: name} do
      {:ok, before} = Trials.get("t1", name: name)
      :ok = Trials.log_metrics("t1", %{loss: 0.5}, name: name)
      {:ok, changed} = Trials.get("t1", name: name)
      assert DateTime.compare(changed.updated_at, before.updated_at) == :gt
    end

    test "refuse what is no number, and record nothing of it", %{name: name} do
      error =
        assert_error(:invalid, Trials.log_metrics("t1", [loss: 1, note: "good"], name: name))

      assert error.message =~ "metric note"
      assert Trials.history("t1", nil, name: name) == {:ok, []}
    end

    test "of an unknown trial are errors", %{name: name} do
      assert_error(:not_found, Trials.log_metrics("nobody", %{a: 1}, name: name))
      assert_error(:not_found, Trials.history("nobody", nil, name: name))
      assert_error(:not_found, Trials.get("nobody", name: name))
    end

    test "take many points at once", %{name: name} do
      points = for n <- 1..20_000, do: {:loss, 1 / n, n, n}
      assert :ok = Trials.log_metrics("t1", points, name: name)
      assert {:ok, kept} = Trials.history("t1", :loss, name: name)

      assert Enum.map(kept, &{&1.key, &1.value, &1.step, &1.timestamp}) ==
               Enum.map(points, fn {_, value, n, _} -> {"loss", value, n, n} end)
    end

    test "from many processes at once lose nothing", %{name: name} do
      1..20
      |> Task.async_stream(fn n ->
        for step <- 1..20, do: :ok = Trials.log_metrics("t1", [{"m#{n}", 1, step}], name: name)
      end)
      |> Stream.run()

      assert {:ok, points} = Trials.history("t1", nil, name: name)
      assert length(points) == 400
    end
  end

  describe "list/1" do
    setup %{name: name} do
      for n <- 1..5 do
        status = if rem(n, 2) == 0, do: :failed, else: :succeeded
        group = if n < 4, do: "g"
        attrs = %{trial_id: "t#{n}", status: status, model_run_id: group}
        {:ok, _} = Trials.create(attrs, name: name)
      end

      :ok
    end

    defp ids(opts) do
      {:ok, trials} = Trials.list(opts)
      Enum.map(trials, & &1.trial_id)
    end

    test "is oldest first, or newest", %{name: name} do
      assert ids(name: name) == ~w(t1 t2 t3 t4 t5)
      assert ids(newest_first: true, name: name) == ~w(t5 t4 t3 t2 t1)
    end

    test "takes limit and offset", %{name: name} do
      assert ids(limit: 2, name: name) == ~w(t1 t2)
      assert ids(limit: 2, offset: 3, name: name) == ~w(t4 t5)
      assert ids(offset: 3, name: name) == ~w(t4 t5)
      assert ids(limit: 0, name: name) == []
    end

    test "takes columns to equal, nil among them", %{name: name} do
      assert ids(where: %{status: :failed}, name: name) == ~w(t2 t4)
      assert ids(where: [status: "failed", model_run_id: "g"], name: name) == ~w(t2)
      assert ids(where: %{model_run_id: nil}, name: name) == ~w(t4 t5)
      assert ids(where: %{trial_id: "none"}, name: name) == []
    end

    test "names the nearest of an unknown column", %{name: name} do
      error = assert_error(:invalid, Trials.list(where: %{sttus: :failed}, name: name))
      assert error.message =~ "did you mean :status?"
    end
  end

  test "trials survive a restart of the instance" do
    database = tmp_path("kept.db")
    name = start_instance(database: database)
    {:ok, created} = Trials.create(%{trial_id: "t1", metrics: %{a: 1}}, name: name)
    stop_instance(name)

    again = start_instance(database: database)
    assert Trials.get("t1", name: again) == {:ok, created}
    assert {:ok, [%Metric{key: "a"}]} = Trials.history("t1", nil, name: again)
  end

  test "two instances with files of their own know nothing of each other", %{name: name} do
    other = start_instance()
    {:ok, _} = Trials.create(%{trial_id: "t1"}, name: name)
    assert_error(:not_found, Trials.get("t1", name: other))
  end
end
