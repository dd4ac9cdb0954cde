defmodule MLflow.Store.Host.Points do
  @moduledoc false
  # The series of a run's or a trial's row. Numbers are taken from the row by compare-and-swap in a
  # transaction that holds it, so that they become visible in order, and a watermark never passes a
  # point that is not committed yet.

  alias MLflow.{Error, Metric, Trial}
  alias MLflow.Store.Host.{Columns, Database, Runs, Series}

  # Points whose identities are looked up at once.
  @looked_up 1_000
  # Points that move from one row to another at once.
  @moved 5_000

  @columns [:key, :value, :is_nan, :step, :timestamp]

  @doc "Records points of a trial, whose row is made where there is none; answers how many are new."
  @spec append(Database.t(), String.t(), [Metric.point()], remote? :: boolean) ::
          {:ok, non_neg_integer} | {:error, Error.t()}
  def append(_db, _trial_key, [], _remote?), do: {:ok, 0}

  def append(db, trial_key, points, remote?) do
    rows = Enum.map(points, &Series.to_row(&1, remote?))

    Database.transaction(db, fn ->
      with {:ok, run} <- Runs.hold_trial(db, trial_key),
           {:ok, {new, _run}} <- keep(db, run, rows),
           do: {:ok, new}
    end)
  end

  @doc """
  Records what the trial's record tells of its metrics, where that is news; answers the row as it is then.

  What is recorded is what `reread` answers once the row is held: of two who read the record before and
  after it was written, the first may come last, and must not tell the old value anew.
  """
  @spec report(Database.t(), map | nil, Trial.t(), (map -> result)) ::
          {:ok, map | nil} | {:error, Error.t()}
        when result: {:ok, Trial.t()} | {:error, Error.t()}
  def report(db, run, trial, reread) do
    if news?(run, trial),
      do: Database.transaction(db, fn -> record_report(db, trial.id, reread) end),
      else: {:ok, run}
  end

  @doc "Whether the record tells something that is not recorded."
  @spec news?(map | nil, Trial.t()) :: boolean
  def news?(_run, %Trial{points: []}), do: false

  def news?(run, trial) do
    {points, told} = told(run, trial)
    told != ((run && run.reported) || %{}) or stepped_news?(points)
  end

  # A point with a step has an identity of its own, and is looked up when it is recorded.
  defp stepped_news?(points), do: points != []

  defp told(run, trial),
    do: Series.told(trial, (run && run.latest) || %{}, (run && run.reported) || %{})

  defp record_report(db, trial_key, reread) do
    with {:ok, run} <- Runs.hold_trial(db, trial_key),
         {:ok, trial} <- reread.(run),
         {points, told} = told(run, trial),
         {:ok, {_new, run}} <- keep(db, run, Enum.map(points, &Series.to_row(&1, false))) do
      if told == run.reported, do: {:ok, run}, else: Runs.change(db, run, %{reported: told})
    end
  end

  @doc "Counts what the trial's record tells of these metrics as told, without recording it."
  @spec note_told(Database.t(), Trial.t(), [String.t()]) :: {:ok, map} | {:error, Error.t()}
  def note_told(db, trial, keys) do
    with {:ok, run} <- Runs.hold_trial(db, trial.id),
         {_points, told} = told(run, trial),
         told = Map.merge(run.reported, Map.take(told, Enum.map(keys, &Columns.clean/1))) do
      if told == run.reported, do: {:ok, run}, else: Runs.change(db, run, %{reported: told})
    end
  end

  @doc """
  Records rows of points in the series of a run's row, which the transaction holds; answers how many are
  new, and the row as it is then. A point that is there already, from either side, is not recorded twice.
  """
  @spec keep(Database.t(), map, [Series.kept()]) ::
          {:ok, {non_neg_integer, map}} | {:error, Error.t()}
  def keep(_db, run, []), do: {:ok, {0, run}}

  def keep(db, run, rows) do
    rows = Enum.uniq_by(rows, &Series.identity/1)

    # Where a database cannot hold the row, somebody else may have been first.
    with :again <- keep_new(db, run, rows) do
      Database.until_settled(fn ->
        with {:ok, run} <- Runs.hold(db, run.id), do: keep_new(db, run, rows)
      end)
    end
  end

  defp keep_new(db, run, rows) do
    with {:ok, known} <- known(db, run.id, rows) do
      case Enum.reject(rows, &MapSet.member?(known, Series.identity(&1))) do
        [] -> {:ok, {0, run}}
        new -> number(db, run, new)
      end
    end
  end

  defp number(db, run, new) do
    numbered = new |> Enum.with_index(run.recorded_seq + 1) |> Enum.map(&numbered(&1, run.id))
    last_local = for %{remote: false, seq: seq} <- numbered, reduce: run.local_seq, do: (_ -> seq)

    changes = %{
      recorded_seq: run.recorded_seq + length(new),
      local_seq: last_local,
      latest: Series.latest(run.latest, new)
    }

    unchanged = [id: run.id, recorded_seq: run.recorded_seq]

    case Database.update_all(db, :runs, unchanged, changes) do
      {:ok, []} ->
        :again

      {:ok, [run]} ->
        with {:ok, _} <- Database.insert_all(db, :points, numbered),
             do: {:ok, {length(new), run}}

      error ->
        error
    end
  end

  defp numbered({row, seq}, run_id), do: Map.merge(row, %{run_record_id: run_id, seq: seq})

  # Those of the points that are there. Many are looked up by the ranges that they lie in, since the
  # points of one metric mostly follow each other.
  defp known(db, run_id, rows) do
    rows
    |> Series.sort()
    |> Enum.chunk_every(@looked_up)
    |> Database.map(fn chunk ->
      filter =
        [run_record_id: run_id, key: {:in, chunk |> Enum.map(& &1.key) |> Enum.uniq()}] ++
          range(:step, chunk) ++ range(:timestamp, chunk)

      Database.all(db, :points, filter, select: @columns)
    end)
    |> case do
      {:ok, found} -> {:ok, found |> Enum.concat() |> MapSet.new(&Series.identity/1)}
      error -> error
    end
  end

  defp range(column, rows) do
    case rows |> Enum.map(&Map.fetch!(&1, column)) |> Enum.min_max() do
      {same, same} -> [{column, same}]
      {first, last} -> [{column, {:gte, first}}, {column, {:lte, last}}]
    end
  end

  @doc "Whether a row has points that the server has not seen."
  @spec unsent?(map | nil) :: boolean
  def unsent?(nil), do: false
  def unsent?(run), do: run.local_seq > (run.points_seq || 0)

  @doc """
  The points recorded here after the row's watermark, in order, no more than `limit`; the watermark that
  stands for having pushed these; and whether there are more.
  """
  @spec unsent(Database.t(), map | nil, pos_integer) ::
          {:ok, {[Metric.point()], integer, boolean}} | {:error, Error.t()}
  def unsent(db, run, limit) do
    reached = (run && run.points_seq) || 0

    if unsent?(run) do
      filter = [run_record_id: run.id, remote: false, seq: {:gt, reached}]
      # One more than wanted tells whether there are more.
      opts = [order_by: [asc: :seq], limit: limit + 1, select: [:seq | @columns]]

      with {:ok, rows} <- Database.all(db, :points, filter, opts) do
        {rows, rest} = Enum.split(rows, limit)
        seq = rows |> List.last(%{seq: reached}) |> Map.fetch!(:seq)
        {:ok, {Enum.map(rows, &Series.to_point/1), seq, rest != []}}
      end
    else
      {:ok, {[], reached, false}}
    end
  end

  @doc "The points of a row, of one metric or of all, by key, step and time."
  @spec history(Database.t(), map | nil, String.t() | nil) ::
          {:ok, [Metric.point()]} | {:error, Error.t()}
  def history(_db, nil, _key), do: {:ok, []}

  def history(db, run, key) do
    filter = [run_record_id: run.id] ++ if(key, do: [key: key], else: [])

    with {:ok, rows} <- Database.all(db, :points, filter, select: @columns),
         do: {:ok, rows |> Series.sort() |> Enum.map(&Series.to_point/1)}
  end

  @doc "Moves a whole series to another row, with the numbers it has."
  @spec move(Database.t(), from :: String.t(), to :: String.t()) :: :ok | {:error, Error.t()}
  def move(db, from, to) do
    with {:ok, _} <-
           each_page(db, from, nil, fn rows, _ ->
             moved = Enum.map(rows, &%{&1 | run_record_id: to})
             with {:ok, _} <- Database.insert_all(db, :points, moved), do: {:ok, nil}
           end),
         {:ok, _} <- Database.delete_all(db, :points, run_record_id: from),
         do: :ok
  end

  @doc """
  Adds the series of another row to a row's own, under new numbers. Answers the row as it is then, and
  the number that stands for `watermark`, up to which the server has the other's points.
  """
  @spec absorb(Database.t(), map, from :: String.t(), watermark :: integer | nil) ::
          {:ok, {map, integer | nil}} | {:error, Error.t()}
  def absorb(db, run, from, watermark) do
    sent? = &(watermark != nil and &1.seq <= watermark)

    with {:ok, {run, reached}} <-
           each_page(db, from, {run, run.recorded_seq}, fn rows, {run, reached} ->
             {sent, unsent} = Enum.split_while(rows, sent?)

             with {:ok, {_, run}} <- keep(db, run, Enum.map(sent, &bare/1)),
                  reached = if(sent == [], do: reached, else: run.recorded_seq),
                  {:ok, {_, run}} <- keep(db, run, Enum.map(unsent, &bare/1)),
                  do: {:ok, {run, reached}}
           end),
         {:ok, _} <- Database.delete_all(db, :points, run_record_id: from) do
      {:ok, {run, watermark && reached}}
    end
  end

  defp bare(row), do: Map.take(row, [:remote | @columns])

  defp each_page(db, run_id, acc, fun, seq \\ 0) do
    filter = [run_record_id: run_id, seq: {:gt, seq}]

    with {:ok, [_ | _] = rows} <-
           Database.all(db, :points, filter, order_by: [asc: :seq], limit: @moved),
         rows = Enum.map(rows, &Map.take(&1, [:run_record_id, :seq, :remote | @columns])),
         {:ok, acc} <- fun.(rows, acc) do
      each_page(db, run_id, acc, fun, List.last(rows).seq)
    else
      {:ok, []} -> {:ok, acc}
      error -> error
    end
  end
end
