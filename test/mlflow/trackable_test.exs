defmodule MLflow.TrackableTest do
  use ExUnit.Case, async: true

  alias MLflow.{Config, Trackable, Trial}
  alias MLflow.Trackable.{Changes, Fields, Record}
  alias MLflow.TrackableRecords.{DocumentShape, Stranger, TableShape, Training}

  @noon ~U[2026-01-01 12:00:00.000000Z]
  @noon_ms DateTime.to_unix(@noon, :millisecond)

  defp training do
    %Training{
      id: 7,
      title: "resnet",
      state: :done,
      config: %{lr: 0.1, net: %{depth: 18}},
      seed: 42,
      scores: %{"val" => %{"acc" => 0.9}, "note" => "fine"},
      loss: 0.25,
      labels: %{team: "vision"},
      ended_at: @noon
    }
  end

  @nothing MLflow.Store.nothing_pulled()

  describe "a derived record" do
    test "is read by the names it gave" do
      assert %Trial{
               id: "7",
               name: "resnet",
               status: :finished,
               end_time: @noon_ms,
               params: %{"lr" => "0.1", "net.depth" => "18", "seed" => "42"},
               tags: %{"team" => "vision"},
               points: points
             } = Trackable.to_trial(training())

      assert points == [{"val.acc", 0.9, nil, @noon_ms}, {"loss", 0.25, nil, @noon_ms}]
    end

    test "gets what a pull changed under those names" do
      pull = %{
        @nothing
        | name: "resnet18",
          status: :failed,
          end_time: @noon_ms + 1_000,
          params: %{"net.depth" => "34", "extra" => "1"},
          tags: %{"team" => "audio", "new" => "x"},
          metric_values: %{"val.acc" => 0.95, "loss" => :nan, "other" => :infinity}
      }

      writable = [:title, :state, :config, :scores, :loss, :labels, :ended_at]

      assert Changes.of(training(), pull, writable) == %{
               title: "resnet18",
               state: :broken,
               ended_at: ~U[2026-01-01 12:00:01.000Z],
               config: %{lr: 0.1, net: %{depth: "34"}} |> Map.put("extra", "1"),
               labels: %{"team" => "audio", "new" => "x"},
               scores: %{"val" => %{"acc" => 0.95}, "note" => "fine", "other" => "Infinity"}
             }
    end

    test "keeps what may not be written, and what a field does not take" do
      pull = %{@nothing | name: "x", status: :running, deleted_tags: ["team"]}
      assert Changes.of(training(), pull, [:labels]) == %{labels: %{}}

      refuse_running = fn :state, status -> status != :running end
      assert Changes.of(training(), pull, [:state, :title], refuse_running) == %{title: "x"}
    end
  end

  describe "Thunderline's shapes" do
    test "the table's: made when it ended, lasting for its duration" do
      record = %TableShape{
        id: "u1",
        trial_id: "t1",
        model_run_id: "r1",
        status: :succeeded,
        metrics: %{"accuracy" => 0.9, "epochs" => 3, "ok" => true, "note" => nil},
        parameters: %{"lr" => 0.1},
        spectral_norm: true,
        duration_ms: 5_000,
        inserted_at: @noon,
        updated_at: @noon
      }

      trial = record |> Trackable.to_trial() |> Record.own_tags(record, Config.new(name: :t))

      assert %Trial{id: "u1", name: "trial_t1", status: :finished, model_run_id: "r1"} = trial
      assert {trial.start_time, trial.end_time} == {@noon_ms - 5_000, @noon_ms}
      assert trial.params == %{"lr" => "0.1", "spectral_norm" => "true"}

      assert trial.tags == %{
               "thunderline_trial_id" => "t1",
               "thunderline_model_run_id" => "r1",
               "spectral_norm" => "true"
             }

      assert Enum.sort(for {key, value, nil, @noon_ms} <- trial.points, do: {key, value}) ==
               [{"accuracy", 0.9}, {"epochs", 3.0}, {"ok", 1.0}]
    end

    test "a flag that is off is a value" do
      record = %TableShape{id: "u", status: :failed, spectral_norm: false, metrics: %{ok: false}}
      trial = Trackable.to_trial(record)
      assert trial.params == %{"spectral_norm" => "false"}
      assert [{"ok", 0.0, nil, nil}] = trial.points
    end

    test "the document's, whose status may be a string" do
      record = %DocumentShape{
        id: "u2",
        trial_id: "t2",
        status: "completed",
        hyperparameters: %{lr: 0.2},
        final_loss: 0.1,
        started_at: ~N[2026-01-01 11:00:00],
        completed_at: ~N[2026-01-01 12:00:00],
        inserted_at: @noon
      }

      trial = Trackable.to_trial(record)
      assert %Trial{status: :finished, end_time: @noon_ms, params: %{"lr" => "0.2"}} = trial
      assert trial.points == [{"final_loss", 0.1, nil, @noon_ms}]

      pull = %{@nothing | end_time: @noon_ms + 1, metric_values: %{"final_loss" => 0.2}}

      assert Changes.of(record, pull, [:completed_at, :final_loss]) == %{
               completed_at: ~N[2026-01-01 12:00:00.001],
               final_loss: 0.2
             }
    end

    test "what is pulled goes into the first field that takes a map, where none holds one" do
      takes_maps = fn field, value -> field in [:metrics, :parameters] == is_map(value) end

      pull = %{
        @nothing
        | params: %{"lr" => "1"},
          metric_values: %{"acc" => 0.5, "final_loss" => 1.0}
      }

      writable = [:final_loss, :metrics, :spectral_norm, :parameters]

      assert Changes.of(%TableShape{}, pull, writable, takes_maps) == %{
               metrics: %{"acc" => 0.5},
               final_loss: 1.0,
               parameters: %{"lr" => "1"}
             }
    end

    test "a status of either may be written, the first that the record takes" do
      pull = %{@nothing | status: :finished}
      only_completed = fn :status, status -> status == :completed end
      changes = Changes.of(%TableShape{status: :running}, pull, [:status], only_completed)
      assert changes == %{status: :completed}
    end
  end

  describe "mistakes" do
    test "a struct that is no trial" do
      message = ~r/Stranger is no trial that MLflow knows.*derive or implement/
      assert_raise ArgumentError, message, fn -> Trackable.to_trial(%Stranger{}) end
      assert_raise ArgumentError, ~r/a trial is a struct/, fn -> Trackable.to_trial(%{id: 1}) end
    end

    test "a status that nobody named" do
      record = %TableShape{id: "u", trial_id: "t", status: :exploded, inserted_at: @noon}
      message = ~r/:exploded means nothing to MLflow; derive.*statuses: \[exploded:/
      assert_raise ArgumentError, message, fn -> Trackable.to_trial(record) end
    end

    test "options of the derivation" do
      new = &Fields.new(&1, [:id, :title, :state], Training)

      assert_raise ArgumentError, ~r/unknown option :nmae.*did you mean :name/, fn ->
        new.(nmae: 1)
      end

      assert_raise ArgumentError, ~r/no field :titel.*did you mean :title/, fn ->
        new.(name: :titel)
      end

      assert_raise ArgumentError, ~r/names MLflow's own.*got :ended/, fn ->
        new.(statuses: [done: :ended])
      end

      assert_raise ArgumentError, ~r/keyword list/, fn -> new.(:name) end
    end
  end
end
