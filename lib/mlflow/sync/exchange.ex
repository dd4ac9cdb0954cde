defmodule MLflow.Sync.Exchange do
  @moduledoc false
  # One trial and its run brought in step: the run is found or claimed, the engine carries the
  # difference out, and what was agreed is recorded.

  alias MLflow.{Error, Instance, Metric, RunRecord, Store, Trial}
  alias MLflow.Sync.{Order, Report, Settlement, Target}

  @doc """
  Options: `run:`, the run as it was just read, its `digest:`, and `read_at:` when (ms) that was asked
  for; `experiment_id:`, where a missing run is created; `history:`, whose series are pulled.
  """
  @spec trial(Instance.t(), String.t(), Order.direction(), keyword) ::
          {:ok, Report.t()} | {:error, Error.t()}
  def trial(%Instance{} = instance, trial_id, direction, opts \\ []) do
    with {:ok, side} <- instance.config.store.load_for_sync(instance, trial_id),
         do: side(instance, side, direction, opts)
  end

  @doc "The same for a trial that was loaded already."
  @spec side(Instance.t(), Store.side(), Order.direction(), keyword) ::
          {:ok, Report.t()} | {:error, Error.t()}
  def side(instance, side, direction, opts) do
    opts = if outdated?(side.record, opts[:read_at]), do: unread(opts), else: opts

    with {:ok, place} <- Target.claim(instance, side.trial, side.record, opts),
         {:ok, report} <- carry_out(instance, side, place, direction, opts) do
      settle(instance, side, place, report, direction, opts)
    else
      {:error, error} -> Settlement.failed(instance, side.trial, error)
    end
  end

  # Another sync was there since the run was read: beside what both sides agreed on by then, what was read
  # would look like a change on the server.
  defp outdated?(%RunRecord{updated_at: %DateTime{} = at}, read_at) when read_at != nil,
    do: DateTime.to_unix(at, :millisecond) >= read_at

  defp outdated?(_record, _read_at), do: false

  @doc """
  The run of a logger, found again by its claim or our tag, or else created: the normal way of a
  trial, of which there is only the run itself.
  """
  @spec ensure_run(Instance.t(), Trial.t(), keyword) :: {:ok, String.t()} | {:error, Error.t()}
  def ensure_run(instance, trial, opts \\ []) do
    case Target.claim(instance, trial, nil, opts) do
      {:ok, %{target: {:existing, run_id}}} -> {:ok, run_id}
      {:ok, place} -> create_run(instance, trial, place)
      {:error, error} -> Settlement.failed(instance, trial, error)
    end
  end

  defp create_run(instance, trial, place) do
    side = %{trial: trial, record: place.record, points: [], points_seq: 0, more?: false}

    with {:ok, report} <- carry_out(instance, side, place, :push, []),
         {:ok, summary} <- settle(instance, side, place, report, :push, []),
         do: {:ok, summary["mlflow_run_id"]}
  end

  defp carry_out(instance, side, place, direction, opts) do
    trial = %Trial{side.trial | points: side.points}
    opts = [partial: more?(side, direction)] ++ Keyword.take(opts, [:history])
    order = Order.new(instance, trial, place.record, place.target, direction, opts)

    with {:error, error} <- Instance.request(instance, {:sync, order}) do
      give_up_claim(instance, place)
      {:error, error}
    end
  end

  # There is no report, as where no token was to be had: the next attempt need not wait for the lease.
  defp give_up_claim(instance, %{record: %RunRecord{mlflow_run_id: nil} = record, since: since}),
    do: instance.config.store.abandon_claim(instance, record, since || Metric.now())

  defp give_up_claim(_instance, _place), do: :ok

  # The run had a param that this trial contradicts, and lost our tag for that: the trial gets
  # another run, in the same experiment.
  defp settle(instance, side, place, %{superseded: old} = report, direction, opts)
       when old != nil do
    opts = opts |> unread() |> Keyword.put(:experiment_id, report.run.experiment_id)

    with :ok <- part(instance, side.trial, place.record, old),
         {:ok, later} <- trial(instance, side.trial.id, direction, opts) do
      {:ok, Report.add(Report.of_exchange(report, 0), later)}
    end
  end

  defp settle(instance, side, place, report, direction, opts) do
    with {:ok, summary} <-
           Settlement.settle(instance, side, place, report, direction, opts[:digest]) do
      if more?(side, direction),
        do: go_on(instance, side, direction, opts, summary),
        else: {:ok, summary}
    end
  end

  # A run that was found by our tag only now is not the trial's yet: there is just the claim.
  defp part(instance, _trial, %RunRecord{mlflow_run_id: nil} = claim, _old),
    do: instance.config.store.release_claim(instance, claim)

  defp part(instance, trial, _record, old),
    do: instance.config.store.unlink_run(instance, trial, old)

  # A trial with very many points waiting goes up piece by piece, each of which is kept.
  defp go_on(instance, side, direction, opts, summary) do
    with {:ok, later} <- trial(instance, side.trial.id, direction, unread(opts)),
         do: {:ok, Report.add(summary, later)}
  end

  defp unread(opts), do: Keyword.drop(opts, [:run, :digest, :read_at])

  defp more?(side, direction), do: side.more? and direction != :pull
end
