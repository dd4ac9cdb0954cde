defmodule MLflow.Integration.CerebrosTest do
  use MLflow.IntegrationCase, async: true

  alias MLflow.{Cerebros, Client, ModelRuns, Runs, SyncWorker}
  alias MLflow.Contracts.{RunFinalizedV1, RunStartedV1, TrialReportedV1}

  each_server do
    test "a search shows up in MLflow from its first report to its last", context do
      %{name: name, default_experiment: label} = context

      assert :ok =
               Cerebros.run_started(%RunStartedV1{run_id: "s1", budget: %{trials: 3}}, name: name)

      for n <- 1..3 do
        begun = %TrialReportedV1{
          trial_id: "t#{n}",
          run_id: "s1",
          status: :running,
          parameters: %{lr: n / 10}
        }

        assert :ok = Cerebros.trial_reported(begun, name: name)
      end

      assert :ok = SyncWorker.drain(timeout: 60_000, name: name)
      {:ok, experiment} = Client.get_experiment_by_name(label, name: name)
      runs = fn -> Enum.to_list(Client.search_runs(experiment.experiment_id, name: name)) end
      assert Enum.map(runs.(), & &1.status) == [:running, :running, :running]

      for {n, status} <- [{1, :succeeded}, {2, :failed}, {3, :skipped}] do
        ended = %TrialReportedV1{
          trial_id: "t#{n}",
          run_id: "s1",
          status: status,
          metrics: %{acc: n / 10},
          spectral_norm: n == 1,
          duration_ms: 1_000
        }

        assert :ok = Cerebros.trial_reported(ended, name: name)
      end

      assert :ok =
               Cerebros.run_finalized(%RunFinalizedV1{run_id: "s1", status: :succeeded},
                 name: name
               )

      assert :ok = SyncWorker.drain(timeout: 60_000, name: name)
      assert {:ok, []} = SyncWorker.jobs(state: [:cancelled, :discarded, :retryable], name: name)

      {:ok, search} = ModelRuns.get("s1", name: name)
      assert {search.state, search.completed_trials} == {:succeeded, 3}
      assert {:ok, [%{model_run_id: linked}]} = Runs.experiments(name: name)
      assert linked == search.id

      found = Map.new(runs.(), &{&1.tags["thunderline_trial_id"], &1})
      assert map_size(found) == 3
      assert length(runs.()) == 3

      for {n, status} <- [{1, :finished}, {2, :failed}, {3, :killed}] do
        run = found["t#{n}"]
        assert run.status == status
        assert run.params["lr"] == "#{n / 10}"
        assert run.metrics == %{"acc" => n / 10}
        assert run.tags["thunderline_model_run_id"] == search.id
        assert run.tags["spectral_norm"] == "#{n == 1}"
        assert is_integer(run.end_time)
      end
    end
  end
end
