# Run by bin/demo: a hyperparameter search whose trials are MLflow runs while it goes on, a
# colleague who works in MLflow meanwhile, and the proof that both sides agree afterwards. With --uri
# and --python on a real MLflow server, else on one that is part of this program.

for module <- ~w(iris classifier search recorder report python rest) do
  Code.require_file("#{module}.ex", __DIR__)
end

defmodule Demo.Main do
  alias Demo.{Recorder, Report}
  alias MLflow.SyncWorker

  @trials 27
  # The year of Fisher's paper.
  @seed 1936
  @sync [name: Demo.MLflow]
  @patience [timeout: 60_000]

  def run(argv) do
    {options, []} =
      OptionParser.parse!(argv,
        strict: [uri: :string, directory: :string, python: :string, terminal: :boolean]
      )

    demo(Map.new(options))
  rescue
    # What can go wrong outside this program; anything else is a bug, and shows its trace.
    error in [MLflow.Error, RuntimeError] ->
      give_up(error)

    error in MatchError ->
      case error.term do
        {:error, reason} when is_exception(reason) -> give_up(reason)
        _ -> reraise error, __STACKTRACE__
      end
  end

  defp give_up(error) do
    IO.puts(:stderr, "\nerror: " <> Exception.message(error))
    System.halt(1)
  end

  defp demo(options) do
    started = System.monotonic_time(:millisecond)
    options = Map.put_new_lazy(options, :uri, fn -> start_server(options) end)
    other = if options[:python], do: Demo.Python, else: Demo.Rest
    {:ok, experiment_id} = start(options)

    IO.puts("Searching while finished trials go to #{options.uri} ...")
    pushed = search(options)
    IO.puts("A colleague adds a run and a tag with #{other.title()} ...")
    foreign = colleague(other, options, experiment_id)
    IO.puts("Synchronising the experiment back, and everything once more ...\n")
    pulled = await([SyncWorker.sync_experiment(experiment_id, @sync)])
    again = await([SyncWorker.sync_experiment(experiment_id, @sync) | resync()])

    verdict = verify(other, options, experiment_id, foreign)
    seconds = (System.monotonic_time(:millisecond) - started) / 1000
    summary = summary(pushed, pulled, again, seconds)

    IO.puts([
      Report.trials(Recorder.recorded(), 5),
      "\n",
      Report.rounds(
        [{"search to MLflow", pushed}, {"experiment back", pulled}, {"both once more", again}],
        @trials
      ),
      "\n  What the server has: #{verdict}"
    ])

    File.write!(Path.join(options.directory, "result.json"), summary)
  end

  # In an application, {MLflow.Server, port: 5000} in its supervision tree.
  defp start_server(options) do
    {:ok, _} =
      MLflow.Server.start_link(
        port: 0,
        database: Path.join(options.directory, "mlflow.db"),
        artifacts: Path.join(options.directory, "artifacts")
      )

    {:ok, uri} = MLflow.Server.uri()
    uri
  end

  defp start(options) do
    {:ok, _} = Recorder.start_link()

    {:ok, _} =
      MLflow.start_link(
        @sync ++
          [
            tracking_uri: options.uri,
            database: Path.join(options.directory, "trials.db"),
            default_experiment: "iris",
            # What is synchronised, and when, is this program's to say: it counts requests.
            sync_interval: 0
          ]
      )

    MLflow.default_experiment(@sync)
  end

  defp search(options) do
    {:ok, model_run} =
      MLflow.ModelRuns.create(
        %{run_id: "iris-search", state: :running, requested_trials: @trials},
        @sync
      )

    progress = fn trial ->
      done = Enum.count(Recorder.recorded())
      Report.progress(done, @trials, "#{trial.trial_id} #{trial.status}", options.terminal)
    end

    Demo.Search.run(@trials, @seed, Recorder.callbacks(model_run, @sync, progress))

    {:ok, _} =
      MLflow.ModelRuns.update(
        model_run.id,
        %{state: :succeeded, completed_trials: @trials},
        @sync
      )

    await(for trial <- Recorder.recorded(), do: {:ok, trial.job})
  end

  defp resync do
    for trial <- Recorder.recorded(), do: SyncWorker.sync_trial_to_mlflow(trial.id, @sync)
  end

  # The results of jobs, their requests and writes summed.
  defp await(jobs) do
    results = Enum.map(jobs, &result/1)

    %{
      requests: sum(results, "requests"),
      writes: sum(results, "writes"),
      pulled: sum(results, "pulled")
    }
  end

  defp result(enqueued) do
    {:ok, job} = enqueued

    case SyncWorker.await(job, @sync ++ @patience) do
      {:ok, %{state: :completed, result: result}} -> result
      {:ok, job} -> raise "#{job.action} ended #{job.state}: #{inspect(List.last(job.errors))}"
      {:error, %{kind: :timeout}} -> raise "MLflow did not take what there was within a minute"
      {:error, error} -> raise error
    end
  end

  defp sum(results, key), do: results |> Enum.map(&Map.get(&1, key, 0)) |> Enum.sum()

  defp colleague(other, options, experiment_id) do
    [trial | _] = Recorder.recorded()
    {:ok, %{mlflow_run_id: ours}} = MLflow.Trials.get(trial.id, @sync)
    [other.colleague(options, experiment_id, ours), ours]
  end

  # What the server has against what the search measured, and against the records that came back of
  # the two runs the colleague touched.
  defp verify(other, options, experiment_id, foreign) do
    trials =
      for trial <- Recorder.recorded() do
        trial |> Map.take([:trial_id, :status, :params, :metrics, :history])
      end

    records =
      for run_id <- foreign do
        {:ok, run} = MLflow.Runs.get(run_id, @sync)
        Map.take(run, [:mlflow_run_id, :status, :params, :metrics, :tags])
      end

    other.verify(options, experiment_id, trials, records)
  end

  defp summary(pushed, pulled, again, seconds) do
    points = Recorder.recorded() |> Enum.map(&length(&1.history)) |> Enum.sum()
    {:ok, runs} = MLflow.Runs.list(@sync)

    ~s({"trials":#{@trials},"runs":#{length(runs)},"points":#{points},) <>
      ~s("requests":#{pushed.requests},"resync_writes":#{again.writes},) <>
      ~s("pulled_runs":#{pulled.pulled},"seconds":#{Float.round(seconds, 1)}})
  end
end

# Asked to end, the VM would stop Mix first, and this program stumble over that.
{:ok, _} = System.trap_signal(:sigterm, fn -> System.halt(143) end)

# Instances of its own are all it needs: no default one, which would look for its server.
Application.put_env(:mlflow_sync, :default_instance, false)
{:ok, _} = Application.ensure_all_started(:mlflow_sync)
Demo.Main.run(System.argv())
