defmodule MLflow.HostStoreCase do
  @moduledoc """
  What holds for a store over a host's own tables, on real MLflow servers; `world:` has the host's
  tables and how they are written, as for `MLflow.StoreContract`, and `tags:` is what the tests need.
  """

  defmacro __using__(world: world, tags: tags) do
    quote do
      use MLflow.IntegrationCase, async: false

      # Before the tests, which take the tags that are there.
      for tag <- unquote(tags), do: @moduletag([{tag, true}])

      alias MLflow.{Client, Runs, Sync, Trials}

      @world unquote(world)

      defp start_host(context, opts \\ []) do
        settings = [tracking_uri: context.uri, default_experiment: context.default_experiment]
        @world.options() |> Keyword.merge(settings) |> Keyword.merge(opts) |> start_instance()
      end

      each_server do
        test "a trial and its run agree, whoever writes", context do
          name = start_host(context)
          trial_id = unique("t")

          @world.create!(name,
            trial_id: trial_id,
            status: :succeeded,
            parameters: %{"lr" => 0.1, "net" => %{"depth" => 18}},
            metrics: %{"acc" => 0.9, "note" => "fine"}
          )

          points = for step <- 1..1_200, do: {"loss", 1 / step, step}
          :ok = Trials.log_metrics(trial_id, points, name: name)

          assert {:ok, report} = Sync.trial_to_mlflow(trial_id, name: name)
          assert %{"creation" => "created", "conflicts" => []} = report

          run_id = report["mlflow_run_id"]
          assert {:ok, run} = Client.get_run(run_id, name: name)
          assert {run.status, run.params["net.depth"]} == {:finished, "18"}
          assert {run.metrics["acc"], run.metrics["loss"]} == {0.9, 1 / 1_200}
          assert {:ok, series} = Client.get_metric_history(run_id, :loss, name: name)
          assert length(series) == 1_200
          assert @world.get!(name, trial_id).mlflow_run_id == run_id

          assert {:ok, %{"requests" => 0}} = Sync.trial_to_mlflow(trial_id, name: name)

          :ok = Client.log_metric(run_id, :f1, 0.75, name: name)
          :ok = Client.log_param(run_id, :seed, 42, name: name)
          :ok = Client.set_tag(run_id, "reviewed", "yes", name: name)
          assert {:ok, %{"pulled" => pulled}} = Sync.mlflow_to_trial(run_id, name: name)
          assert pulled >= 3

          trial = @world.get!(name, trial_id)
          assert {trial.metrics["f1"], trial.parameters["seed"]} == {0.75, "42"}
          assert {:ok, %{tags: %{"reviewed" => "yes"}}} = Runs.get(run_id, name: name)

          assert {:ok, %{"writes" => 0}} = Sync.trial_to_mlflow(trial_id, name: name)
          assert {:ok, %{tags: %{"reviewed" => "yes"}}} = Client.get_run(run_id, name: name)
        end

        test "what both sides changed is a conflict, and the trial wins", context do
          name = start_host(context)
          trial_id = unique("t")
          @world.create!(name, trial_id: trial_id, status: :running)
          {:ok, %{"mlflow_run_id" => run_id}} = Sync.trial_to_mlflow(trial_id, name: name)

          :ok = Client.update_run(run_id, :failed, name: name)
          @world.update!(name, trial_id, status: :succeeded)

          assert {:ok, %{"conflicts" => conflicts}} = Sync.trial_to_mlflow(trial_id, name: name)
          status = Enum.find(conflicts, &(&1["field"] == "status"))
          assert %{"local" => "FINISHED", "remote" => "FAILED", "winner" => "local"} = status
          assert {:ok, %{status: :finished}} = Client.get_run(run_id, name: name)
          assert {:ok, [_status]} = MLflow.conflicts(field: "status", name: name)
        end

        test "an experiment is brought in step, and then costs as many requests as it has pages",
             context do
          name = start_host(context)

          for n <- 1..40 do
            @world.create!(name, trial_id: unique("t"), status: :succeeded, metrics: %{"n" => n})
          end

          {:ok, experiment} = MLflow.default_experiment(name: name)
          {:ok, foreign} = Client.create_run(experiment, run_name: "from python", name: name)
          assert {:ok, first} = Sync.experiment(experiment, name: name)
          assert %{"runs" => 41, "failed" => [], "duplicates" => []} = first

          assert {:ok, %{run_name: "from python"}} = Runs.get(foreign.run_id, name: name)
          assert {:ok, _settling} = Sync.experiment(experiment, name: name)
          @world.age!(name)

          assert {:ok, again} = Sync.experiment(experiment, name: name)
          assert %{"runs" => 41, "requests" => 2, "writes" => 0} = again
        end
      end
    end
  end
end
