defmodule Thunderline.HostCase do
  @moduledoc """
  What the tests share: empty tables, a queue that works on demand, and what the bridge hands over.
  The database commits for real, and jobs run in processes of their own.
  """

  use ExUnit.CaseTemplate

  import Ecto.Query
  import ExUnit.Assertions

  alias Thunderline.Repo
  alias Thunderline.Thunderbolt.CerebrosBridge.Contracts.{RunStartedV1, TrialReportedV1}

  using do
    quote do
      import Thunderline.HostCase
      alias Thunderline.Repo
      alias Thunderline.Thunderbolt.CerebrosBridge.Persistence
      alias Thunderline.Thunderbolt.{ModelRun, ModelTrial}
    end
  end

  @tables ~w(oban_jobs cerebros_model_trials cerebros_model_runs mlflow_sync_conflicts
             mlflow_sync_attempts mlflow_points mlflow_runs)

  setup do
    Repo.query!("TRUNCATE #{Enum.join(@tables, ", ")} CASCADE")
    on_exit(fn -> Oban.stop_queue(queue: :mlflow_sync, local_only: true) end)
    :ok
  end

  @doc "Lets the queue work until nothing waits or runs; answers how many jobs there are by state."
  def work(timeout \\ 120_000) do
    Oban.start_queue(queue: :mlflow_sync, limit: 8, local_only: true)
    assert MLflow.SyncWorker.drain(timeout: timeout) == :ok
    job_counts()
  end

  def job_counts do
    from(job in Oban.Job, group_by: job.state, select: {job.state, count()})
    |> Repo.all()
    |> Map.new()
  end

  def search(run_id) do
    %RunStartedV1{run_id: run_id, dataset_id: "iris", objective: "accuracy", budget: %{trials: 3}}
  end

  def trial(run_id, n, attrs \\ %{}) do
    struct!(
      %TrialReportedV1{
        trial_id: "#{run_id}-t#{n}",
        run_id: run_id,
        status: :succeeded,
        metrics: %{"accuracy" => n / 1_000, "val" => %{"loss" => 1 / (n + 1)}},
        parameters: %{"lr" => 0.1 * n, "depth" => n},
        spectral_norm: rem(n, 2) == 0,
        duration_ms: 1_000 + n,
        rank: n
      },
      attrs
    )
  end

  @doc "The runs that the server has of this test run's experiment, by our tag."
  def runs_of_trials do
    {:ok, experiment} = MLflow.default_experiment()
    experiment |> MLflow.Client.search_runs() |> Enum.group_by(& &1.tags["thunderline_trial_id"])
  end
end
