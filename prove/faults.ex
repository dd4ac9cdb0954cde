defmodule Prove.Faults do
  @moduledoc """
  Trials begin, grow and end while everything happens to their requests that can happen on a
  network; a colleague tags their runs on the real server meanwhile, and whole experiments are
  compared.
  """

  alias MLflow.{FaultProxy, SyncWorker, Trials}
  alias Prove.{Engine, Outcome, Remote}

  @reviewed "reviewed_by"

  def size(:long), do: %{trials: 200, points: 100, request_timeout: 5_000, silence: 30_000}
  def size(:short), do: %{trials: 12, points: 20, request_timeout: 700, silence: 1_500}

  @doc """
  Every kind of fault, to four requests of ten in all.

  A request that comes late arrives after its sender has given up waiting, and before the engine
  believes that nothing can come of it any more.
  """
  @spec table(map) :: MLflow.FaultProxy.plan()
  def table(%{request_timeout: timeout, silence: silence}) do
    late = timeout + div(timeout, 2)

    {:table,
     [
       {{:refuse, 300}, 0.02},
       {:reset_before, 0.04},
       {:reset_after, 0.05},
       {:reset_inside, 0.03},
       {:truncated, 0.03},
       {{:status, 500}, 0.03},
       {{:status_after, 500}, 0.02},
       {{:status, 503}, 0.03},
       {{:status_after, 503}, 0.03},
       {{:rate_limit, 1}, 0.03},
       {:html, 0.02},
       {:html_after, 0.02},
       {{:silence, silence}, 0.01},
       {{:late_answer, late}, 0.015},
       {{:late_request, late}, 0.015}
     ]}
  end

  @spec run(map, map) :: Outcome.t()
  def run(context, size) do
    {:ok, proxy} = FaultProxy.start_link(upstream: context.uri, seed: context.seed)

    {:ok, engine} =
      Engine.start(
        name: context.name,
        tracking_uri: FaultProxy.uri(proxy),
        database: context.database,
        default_experiment: context.experiment,
        request_timeout: size.request_timeout,
        total_timeout: 3 * size.request_timeout
      )

    FaultProxy.plan(proxy, table(size))
    trials = 1..size.trials
    wave(trials, &Prove.Trials.begin(&1, size.points, context.name), context)
    tagged = tag(context)
    wave(trials, &Prove.Trials.finish(&1, size.points, context.name), context)
    # What was held back may still arrive.
    Engine.await("every request is answered", 60_000, fn -> FaultProxy.in_flight(proxy) == [] end)

    outcome = %Outcome{faults: FaultProxy.faults(proxy)}
    FaultProxy.plan(proxy, [])
    expected = Enum.map(trials, &Prove.Trials.expected(&1, size.points))
    outcome = Outcome.judge(outcome, context.name, context, expected)
    outcome = colleague(outcome, tagged, context)

    Supervisor.stop(engine)
    GenServer.stop(proxy)
    outcome
  end

  # Each trial is synced, and meanwhile the experiment is compared.
  defp wave(trials, record, %{name: name} = context) do
    for n <- trials do
      :ok = record.(n)
      :ok = Prove.Trials.sync(n, name)
    end

    {:ok, _} = SyncWorker.sync_experiment(context.experiment, name: name)
    Engine.await_quiet(name, 300_000)
  end

  defp tag(context) do
    run_ids = context.uri |> Remote.run_ids(context.experiment) |> Enum.take_every(3)
    for id <- run_ids, do: :ok = Remote.set_tag(context.uri, id, @reviewed, id)
    run_ids
  end

  # What the colleague wrote came back, and was not written over.
  defp colleague(outcome, tagged, %{name: name} = context) do
    {:ok, job} = SyncWorker.sync_experiment(context.experiment, name: name)
    {:ok, job} = SyncWorker.await(job, name: name)
    {:ok, trials} = Trials.list(name: name)
    here = for trial <- trials, id = trial.tags[@reviewed], do: id
    runs = Remote.runs(context.uri, context.experiment)
    there = for %{tags: %{@reviewed => id}} <- runs, do: id

    outcome
    |> Outcome.expect(job.state == :completed, "the experiment's comparison: #{inspect(job)}")
    |> Outcome.expect(
      Enum.sort(here) == Enum.sort(tagged),
      "tags of the colleague's are lost here"
    )
    |> Outcome.expect(
      Enum.sort(there) == Enum.sort(tagged),
      "tags of the colleague's are lost there"
    )
  end
end
