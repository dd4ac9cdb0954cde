if Code.ensure_loaded?(Ash) do
  defmodule MLflow.Ash.ResourcesTest do
    use ExUnit.Case, async: false

    @moduletag :ash

    defp trial!(context, id \\ "t1") do
      Ash.create!(context.trial, %{trial_id: id, status: :succeeded})
    end

    for host <- [MLflow.AshHost.Ets, MLflow.AshHost.Postgres], Code.ensure_loaded?(host) do
      @host host

      describe inspect(host) do
        if host == MLflow.AshHost.Postgres, do: @describetag(:postgres)

        setup do
          Module.concat(@host, World).clean!()

          %{
            experiment: Module.concat(@host, Experiment),
            run: Module.concat(@host, Run),
            point: Module.concat(@host, Point),
            trial: Module.concat(@host, ModelTrial),
            model_run: Module.concat(@host, ModelRun)
          }
        end

        test "an experiment comes back as it was made", context do
          search = Ash.create!(context.model_run, %{run_id: "search"})

          made =
            context.experiment.create!(%{
              mlflow_experiment_id: "7",
              name: " spaced ",
              artifact_location: "s3://bucket/7",
              lifecycle_stage: :active,
              tags: %{"team" => "vision", "empty" => ""},
              model_run_id: search.id
            })

          found = context.experiment.by_mlflow_id!("7", load: [:model_run, :runs])
          assert found.id == made.id
          assert found.name == " spaced "
          assert found.tags == %{"team" => "vision", "empty" => ""}
          assert found.model_run.run_id == "search"
          assert found.runs == []
          assert {:error, %Ash.Error.Invalid{}} = context.experiment.by_mlflow_id("8")
        end

        test "a run leads to its experiment, trial, search and points, and they to it", context do
          search = Ash.create!(context.model_run, %{run_id: "search"})
          trial = trial!(context)
          context.experiment.create!(%{mlflow_experiment_id: "7", name: "e"})

          run =
            context.run.create!(%{
              mlflow_run_id: "r1",
              mlflow_experiment_id: "7",
              status: :running,
              start_time: 1_700_000_000_000,
              model_trial_id: trial.id,
              model_run_id: search.id,
              params: %{"lr" => "0.1"}
            })

          point = %{
            run_record_id: run.id,
            seq: 1,
            key: "loss",
            value: 0.5,
            is_nan: false,
            step: 0,
            timestamp: 5,
            remote: false
          }

          Ash.create!(context.point, point)
          load = [:experiment, :model_trial, :model_run, :points]
          found = context.run.by_trial_id!(trial.id, load: load)

          assert found.mlflow_run_id == "r1"
          assert found.status == :running
          assert found.params == %{"lr" => "0.1"}
          assert found.experiment.name == "e"
          assert found.model_trial.trial_id == "t1"
          assert found.model_run.run_id == "search"
          assert [%{key: "loss", value: 0.5}] = found.points
          assert {0, 0, %{}} = {found.recorded_seq, found.local_seq, found.latest}

          assert Ash.load!(trial, :mlflow_run).mlflow_run.id == run.id
          experiment = context.experiment.by_mlflow_id!("7", load: :runs)
          assert [%{mlflow_run_id: "r1"}] = experiment.runs
        end

        test "no two runs have one id or one trial, and bare rows have none", context do
          trial = trial!(context)
          context.run.create!(%{mlflow_run_id: "r1", model_trial_id: trial.id})
          context.run.create!(%{})
          context.run.create!(%{})

          assert {:error, %Ash.Error.Invalid{}} = context.run.create(%{mlflow_run_id: "r1"})
          assert {:error, %Ash.Error.Invalid{}} = context.run.create(%{model_trial_id: trial.id})
          assert {:error, %Ash.Error.Invalid{}} = context.run.create(%{mlflow_run_id: ""})
          assert length(context.run.list!()) == 3
        end

        test "an upsert adds, and then changes what the server told", context do
          first = context.run.upsert!(%{mlflow_run_id: "r1", status: :running, run_name: "a"})
          second = context.run.upsert!(%{mlflow_run_id: "r1", status: :finished})
          assert first.id == second.id
          assert %{status: :finished, run_name: "a"} = context.run.by_mlflow_id!("r1")

          context.experiment.upsert!(%{mlflow_experiment_id: "7", name: "a"})
          context.experiment.upsert!(%{mlflow_experiment_id: "7", name: "b"})
          assert [%{name: "b"}] = context.experiment.list!()
        end

        test "metadata, links and removal", context do
          trial = trial!(context)
          run = context.run.create!(%{mlflow_run_id: "r1", status: :running})
          run = context.run.update_metadata!(run, %{status: :failed, end_time: 9})
          assert {:failed, 9} = {run.status, run.end_time}

          assert {:error, %Ash.Error.Invalid{}} =
                   context.run.update_metadata(run, %{status: :odd})

          run = context.run.link_trial!(run, trial.id)
          assert run.model_trial_id == trial.id
          :ok = context.run.destroy!(run)
          assert Ash.load!(trial, :mlflow_run).mlflow_run == nil
        end
      end
    end

    describe "a declaration" do
      test "needs a domain" do
        assert_raise ArgumentError, ~r/needs the Ash domain/, fn ->
          defmodule NoDomain do
            use MLflow.Ash.Run, data_layer: Ash.DataLayer.Ets
          end
        end
      end

      test "of points needs the runs, and one of trials too" do
        assert_raise ArgumentError, ~r/give run: MyApp.MLflow.Run/, fn ->
          defmodule NoRun do
            use MLflow.Ash.Point, domain: MLflow.AshHost.Ets
          end
        end

        assert_raise ArgumentError, ~r/give run: MyApp.MLflow.Run/, fn ->
          defmodule NoRunOfTrial do
            use MLflow.Ash.Trial, []
          end
        end
      end

      test "takes the name and the type of the host's keys" do
        alias MLflow.AshHost.Numbers

        assert Ash.Resource.Info.attribute(Numbers.Run, :model_trial_id).type == Ash.Type.Integer
        trial = Ash.create!(Numbers.Trial, %{number: 7})
        run = Numbers.Run.create!(%{mlflow_run_id: "r1", model_trial_id: 7})
        assert Numbers.Run.by_trial_id!(7, load: :model_trial).model_trial.number == 7
        assert Ash.load!(trial, :mlflow_run).mlflow_run.id == run.id
      end
    end
  end
end
