defmodule MLflow.Integration.SyncTest do
  use MLflow.IntegrationCase, async: true

  alias MLflow.{Client, Runs, SyncWorker, Trials}

  @at 1_700_000_000_000

  defp create!(attrs, name) do
    {:ok, trial} = Trials.create(attrs, name: name)
    trial
  end

  # Queues a job and waits for what it reports.
  defp report!({:ok, job}, name) do
    assert {:ok, done} = SyncWorker.await(job, name: name)
    assert {done.state, done.errors} == {:completed, []}
    done.result
  end

  defp push!(trial_id, name),
    do: trial_id |> SyncWorker.sync_trial_to_mlflow(name: name) |> report!(name)

  defp pull!(run_id, name),
    do: run_id |> SyncWorker.sync_mlflow_to_trial(name: name) |> report!(name)

  defp compare!(id, name), do: id |> SyncWorker.sync_experiment(name: name) |> report!(name)
  defp tuples(points), do: Enum.map(points, &{&1.key, &1.value, &1.step, &1.timestamp})

  each_server do
    test "a finished trial of Thunderline's table arrives whole in 3 requests, and again in none",
         %{name: name} do
      create!(
        %{
          trial_id: "t1",
          model_run_id: "m1",
          status: :succeeded,
          parameters: %{lr: 0.1, opt: %{name: "adam"}, layers: [64, 32]},
          metrics: %{acc: 0.93, val: %{loss: 0.1}, note: "good"},
          spectral_norm: true,
          started_at: ~U[2023-11-14 22:13:20Z],
          completed_at: ~U[2023-11-14 22:14:20Z]
        },
        name
      )

      report = push!("t1", name)
      assert %{"creation" => "created", "requests" => 3, "writes" => 3} = report

      assert {:ok, run} = Client.get_run(report["mlflow_run_id"], name: name)
      assert {run.name, run.status} == {"trial_t1", :finished}
      assert {run.start_time, run.end_time} == {@at, @at + 60_000}

      assert run.params == %{
               "lr" => "0.1",
               "opt.name" => "adam",
               "layers" => "[64,32]",
               "spectral_norm" => "true"
             }

      assert run.metrics == %{"acc" => 0.93, "val.loss" => 0.1}
      assert run.tags["thunderline_trial_id"] == "t1"
      assert run.tags["thunderline_model_run_id"] == "m1"
      assert run.tags["spectral_norm"] == "true"
      assert MLflow.default_experiment(name: name) == {:ok, run.experiment_id}

      assert %{"requests" => 0, "writes" => 0, "pushed" => 0} = push!("t1", name)
    end

    test "a trial of the phase-5 document arrives just so", %{name: name} do
      create!(
        %{
          trial_id: "t1",
          status: :completed,
          hyperparameters: %{lr: 0.1},
          final_accuracy: 0.9,
          final_loss: 0.2,
          best_metric_value: 0.95,
          completed_at: ~U[2023-11-14 22:13:20Z]
        },
        name
      )

      report = push!("t1", name)
      assert {:ok, run} = Client.get_run(report["mlflow_run_id"], name: name)
      assert {run.status, run.end_time, run.params} == {:finished, @at, %{"lr" => "0.1"}}

      assert run.metrics == %{
               "final_accuracy" => 0.9,
               "final_loss" => 0.2,
               "best_metric_value" => 0.95
             }

      assert %{"writes" => 0} = push!("t1", name)
    end

    test "statuses arrive as MLflow's", %{name: name} do
      for {status, expected} <- [
            pending: :scheduled,
            running: :running,
            completed: :finished,
            succeeded: :finished,
            failed: :failed,
            cancelled: :killed,
            skipped: :killed
          ] do
        create!(%{trial_id: "t-#{status}", status: status}, name)
        %{"mlflow_run_id" => id} = push!("t-#{status}", name)
        assert {:ok, run} = Client.get_run(id, name: name)
        assert {status, run.status} == {status, expected}
      end
    end

    test "a history arrives point by point, as it grows", %{name: name} do
      create!(%{trial_id: "t1", status: :running}, name)
      first = for n <- 1..1_500, do: {"loss", 1 / n, n, @at + n}
      odd = [{"odd", :nan, 1, @at}, {"odd", 0.5, 2, @at + 1}]
      :ok = Trials.log_metrics("t1", first ++ odd, name: name)
      %{"mlflow_run_id" => id} = push!("t1", name)

      more = for n <- 1_501..1_600, do: {"loss", 1 / n, n, @at + n}
      :ok = Trials.log_metrics("t1", more, name: name)
      assert %{"requests" => 1, "pushed" => 100} = push!("t1", name)

      {:ok, _} =
        Trials.update("t1", %{status: :succeeded, metrics: %{loss: 1 / 1_600}}, name: name)

      # The status replaces another, and so is looked at first; the final value is no news.
      assert %{"pushed" => 1, "requests" => 2, "writes" => 1} = push!("t1", name)

      for key <- ["loss", "odd"] do
        {:ok, here} = Trials.history("t1", key, name: name)
        {:ok, there} = Client.get_metric_history(id, key, name: name)
        assert tuples(there) == tuples(here)
      end
    end

    test "a foreign run is recorded", %{name: name} do
      experiment = new_experiment(name)
      {:ok, %{run_id: id}} = Client.create_run(experiment, run_name: "theirs", name: name)
      :ok = Client.log_batch(id, [params: %{lr: 0.1}, metrics: %{acc: 0.9}], name: name)

      assert %{"pulled" => 2, "requests" => 2} = pull!(id, name)
      assert {:ok, [%{key: "acc", value: 0.9}]} = Runs.history(id, nil, name: name)
      assert {:ok, record} = Runs.get(id, name: name)
      assert {record.run_name, record.mlflow_experiment_id} == {"theirs", experiment}
      assert {record.params, record.metrics} == {%{"lr" => "0.1"}, %{"acc" => 0.9}}
      assert record.model_trial_id == nil
      assert %{"pulled" => 0} = pull!(id, name)
    end

    test "what changed in MLflow is pulled into the trial, and does not go back", %{name: name} do
      create!(%{trial_id: "t1", status: :running, tags: %{team: "a", old: 1}}, name)
      %{"mlflow_run_id" => id} = push!("t1", name)
      :ok = Client.set_tag(id, :team, "b", name: name)
      :ok = Client.delete_tag(id, :old, name: name)

      :ok =
        Client.log_batch(id, [params: %{added: 1}, metrics: [{:acc, 0.9, 7, @at}]], name: name)

      :ok =
        Client.update_run(id, [status: :failed, end_time: @at, run_name: "renamed"], name: name)

      assert %{"pulled" => 7, "conflicts" => []} = pull!(id, name)
      assert {:ok, trial} = Trials.get("t1", name: name)
      assert {trial.name, trial.status, trial.tags} == {"renamed", :failed, %{"team" => "b"}}
      assert trial.parameters == %{"added" => "1"}
      assert DateTime.to_unix(trial.completed_at, :millisecond) == @at
      assert {:ok, history} = Trials.history("t1", :acc, name: name)
      assert tuples(history) == [{"acc", 0.9, 7, @at}]

      assert %{"requests" => 0} = push!("t1", name)
      assert %{"pulled" => 0, "pushed" => 0} = pull!(id, name)
    end

    test "a run's record says what the run holds, whoever wrote it last", %{name: name} do
      create!(%{trial_id: "t1", status: :succeeded, metrics: %{acc: 0.5}}, name)
      %{"mlflow_run_id" => id} = push!("t1", name)
      assert {:ok, %{metrics: %{"acc" => 0.5}}} = Runs.get(id, name: name)

      :ok = Client.log_metric(id, :acc, 0.75, step: 9, name: name)
      :ok = Client.set_tag(id, "mlflow.note.content", "look at this", name: name)
      {:ok, experiment} = MLflow.default_experiment(name: name)
      assert %{"pulled" => 1, "writes" => 0} = compare!(experiment, name)

      assert {:ok, record} = Runs.get(id, name: name)
      assert record.metrics == %{"acc" => 0.75}
      assert record.tags["mlflow.note.content"] == "look at this"
    end

    test "points logged before a pull still arrive", %{name: name} do
      create!(%{trial_id: "t1", status: :running}, name)
      %{"mlflow_run_id" => id} = push!("t1", name)
      :ok = Trials.log_metrics("t1", [{:loss, 0.5, 1, @at}], name: name)
      pull!(id, name)
      push!("t1", name)
      assert {:ok, points} = Client.get_metric_history(id, :loss, name: name)
      assert tuples(points) == [{"loss", 0.5, 1, @at}]
    end

    test "create_run goes where it is told, once", %{name: name} do
      experiment = new_experiment(name)
      create!(%{trial_id: "t1", status: :succeeded, parameters: %{a: 1}}, name)
      report = SyncWorker.create_run("t1", experiment, name: name) |> report!(name)
      assert %{"creation" => "created", "mlflow_run_id" => id} = report

      assert {:ok, %{experiment_id: ^experiment, status: :finished}} =
               Client.get_run(id, name: name)

      assert %{"creation" => "not_needed", "mlflow_run_id" => ^id, "requests" => 0} =
               SyncWorker.create_run("t1", experiment, name: name) |> report!(name)

      assert [_] = Enum.to_list(Client.search_runs(experiment, name: name))
    end

    test "an experiment of 30 runs costs 2 requests when nothing changed", %{name: name} do
      {:ok, experiment} = MLflow.default_experiment(name: name)

      for n <- 1..28 do
        create!(
          %{
            trial_id: "t#{n}",
            status: :succeeded,
            metrics: %{a: n, b: :nan},
            parameters: %{n: n}
          },
          name
        )
      end

      for n <- 1..2 do
        {:ok, _} = Client.create_run(experiment, run_name: "foreign #{n}", name: name)
      end

      assert %{"pushed" => 28, "pulled" => 2, "failed" => [], "conflicts" => []} =
               compare!(experiment, name)

      assert %{"runs" => 30, "unchanged" => 30, "requests" => 2, "writes" => 0} =
               compare!(experiment, name)

      {:ok, %{mlflow_run_id: changed}} = Trials.get("t5", name: name)
      :ok = Client.set_tag(changed, :by, "hand", name: name)
      {:ok, _} = Trials.update("t6", %{tags: %{late: 1}}, name: name)

      assert %{"pulled" => 1, "pushed" => 1, "unchanged" => 28, "requests" => 3} =
               compare!(experiment, name)

      assert {:ok, %{tags: %{"by" => "hand"}}} = Trials.get("t5", name: name)
      assert %{"unchanged" => 30, "writes" => 0} = compare!(experiment, name)
    end

    test "the default experiment is created once, however many ask at the same moment", context do
      %{name: name, uri: uri, default_experiment: label} = context
      others = for _ <- 1..3, do: start_instance(tracking_uri: uri, default_experiment: label)

      ids =
        [name | others]
        |> Enum.map(&Task.async(fn -> MLflow.default_experiment(name: &1) end))
        |> Task.await_many(60_000)

      assert [{:ok, id}] = Enum.uniq(ids)
      assert {:ok, %{name: ^label}} = Client.get_experiment(id, name: name)
    end

    test "a default experiment that was deleted is an error that says what to do", context do
      %{name: name, uri: uri, default_experiment: label} = context
      {:ok, id} = MLflow.default_experiment(name: name)
      :ok = Client.delete_experiment(id, name: name)

      other = start_instance(tracking_uri: uri, default_experiment: label)
      error = assert_error(:invalid, MLflow.default_experiment(name: other))
      assert error.message =~ "restore_experiment(#{inspect(id)})"

      create!(%{trial_id: "t1"}, other)
      {:ok, job} = SyncWorker.sync_trial_to_mlflow("t1", name: other)
      assert {:ok, %{state: :cancelled}} = SyncWorker.await(job, name: other)

      :ok = Client.restore_experiment(id, name: name)
      assert {:ok, _} = SyncWorker.retry(job, name: other)
      assert {:ok, %{state: :completed}} = SyncWorker.await(job, name: other)
    end

    test "a run that is gone can be parted from its trial, which gets a new one", %{name: name} do
      create!(%{trial_id: "t1", status: :succeeded, metrics: %{a: 1}}, name)
      %{"mlflow_run_id" => old} = push!("t1", name)
      :ok = Client.delete_run(old, name: name)
      {:ok, job} = SyncWorker.sync_mlflow_to_trial(old, name: name)
      assert {:ok, %{state: :cancelled}} = SyncWorker.await(job, name: name)

      assert :ok = Runs.unlink("t1", name: name)
      assert %{"creation" => "created", "mlflow_run_id" => new} = push!("t1", name)
      assert new != old
      assert {:ok, %{metrics: %{"a" => 1.0}, status: :finished}} = Client.get_run(new, name: name)
    end

    test "many trials at once make one run each", %{name: name} do
      ids =
        for n <- 1..40,
            do: create!(%{trial_id: "t#{n}", status: :succeeded, metrics: %{a: n}}, name).id

      {:ok, jobs} = SyncWorker.sync_trials_to_mlflow(ids, name: name)
      assert length(jobs) == 40
      assert :ok = SyncWorker.drain(timeout: 120_000, name: name)
      assert {:ok, []} = SyncWorker.jobs(state: [:discarded, :cancelled], name: name)

      {:ok, experiment} = MLflow.default_experiment(name: name)
      runs = Enum.to_list(Client.search_runs(experiment, name: name))

      assert Enum.frequencies_by(runs, & &1.tags["thunderline_trial_id"]) ==
               Map.new(1..40, &{"t#{&1}", 1})

      assert Enum.all?(runs, &(&1.status == :finished))
    end
  end
end
