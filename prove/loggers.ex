defmodule Prove.Loggers do
  @moduledoc """
  The loggers of a proof: who logs in which life of the VM, and what. What the nth call of a logger
  holds follows from its label, the life and n alone, so that all there is to remember of it is how
  many calls were answered.
  """

  alias MLflow.RunLogger
  alias Prove.Acknowledged

  @typedoc """
  One logger in one life. `calls` is how many it makes before its `ending`; `:infinity` for one that
  logs until the VM dies.
  """
  @type member :: %{
          label: String.t(),
          kind: :own | :nameless | :trial | :run,
          options: keyword,
          calls: pos_integer | :infinity,
          ending: {:close, keyword} | {:exit, term} | nil
        }

  @type point :: {String.t(), float, integer, integer | :now}
  @type call :: {:points, [point]} | {:params | :tags, %{String.t() => String.t()}}

  # 2023-11-14 22:13:20 UTC, in ms.
  @at 1_700_000_000_000
  # A life's steps do not meet those of another one.
  @life 100_000_000
  @longest_call 2_000
  # Calls, and enough to outlast the way of a kill.
  @burst 200

  @endings [
    close: [],
    close: [status: :failed],
    exit: :normal,
    close: [status: :killed, timeout: 0],
    exit: :shutdown,
    exit: :boom
  ]

  @doc """
  The loggers of a life that ends with `kill -9`: runs of their own that are taken up again life
  after life, some of which are closed in between, trials' runs and an existing one; and runs that
  belong to this life alone, some of which end before it does.
  """
  @spec cast(pos_integer, map, String.t()) :: [member]
  def cast(life, size, run_id) do
    lasting(size, run_id) ++
      for(n <- 1..size.returning, do: returning(n, life)) ++
      for(n <- 1..size.nameless, do: nameless("life#{life}-nameless#{n}")) ++
      for(n <- 1..size.brief, do: brief("life#{life}-brief#{n}", life + n, 10 * n))
  end

  @doc """
  The loggers of the life in which all comes to its end. The first of those that last is left alone,
  as one that nobody came back to.
  """
  @spec last_cast(pos_integer, map, String.t()) :: [member]
  def last_cast(life, size, run_id) do
    [_left_alone | lasting] = lasting(size, run_id)

    for(member <- lasting, do: %{member | calls: 30, ending: {:close, []}}) ++
      for(n <- 1..size.returning, do: returning(n, life)) ++
      for(n <- 1..length(@endings), do: brief("life#{life}-brief#{n}", n, 20))
  end

  @doc "The ids of the trials among them."
  @spec trials(map) :: [String.t()]
  def trials(size), do: for(n <- 1..size.trials, do: "trial#{n}")

  defp lasting(size, run_id) do
    for(n <- 1..size.steady, do: own("steady#{n}")) ++
      for(id <- trials(size), do: member(id, :trial, trial: id)) ++
      [member("existing", :run, run_id: run_id)]
  end

  defp returning(n, life) do
    status = Enum.at([:finished, :failed, :killed], rem(life + n, 3))
    %{own("returning#{n}") | calls: 40, ending: {:close, status: status, timeout: 0}}
  end

  defp own(label), do: member(label, :own, [id: label] ++ described(label))
  defp nameless(label), do: member(label, :nameless, described(label))

  defp brief(label, n, calls) do
    ending = Enum.at(@endings, rem(n, length(@endings)))
    %{nameless(label) | calls: calls, ending: ending}
  end

  defp member(label, kind, options),
    do: %{label: label, kind: kind, options: options, calls: :infinity, ending: nil}

  defp described(label),
    do: [run_name: label, params: %{"who" => label}, tags: %{"prove_logger" => label}]

  @doc "The status that a run has after this ending."
  @spec status(member) :: String.t()
  def status(%{ending: {:close, options}}),
    do: options |> Keyword.get(:status, :finished) |> Atom.to_string() |> String.upcase()

  def status(%{ending: {:exit, :normal}}), do: "FINISHED"
  def status(%{ending: {:exit, :shutdown}}), do: "KILLED"
  def status(%{ending: {:exit, _crash}}), do: "FAILED"

  @doc "The life that a point was logged in."
  @spec life(integer) :: integer
  def life(step), do: div(step, @life)

  @doc """
  What the nth call of a logger in a life holds. A point of the time `:now` is logged without one,
  and gets that of the call.
  """
  @spec call(String.t(), pos_integer, pos_integer) :: call
  def call(label, life, n) do
    case rem(n, 20) do
      0 -> {:tags, %{"at" => "#{life}.#{n}"}}
      5 -> {:params, %{"p#{life}.#{n}" => "#{label} #{n}"}}
      3 -> {:points, [{"clock", value(label, life, n, 0), step(life, n, 0), :now}]}
      _ -> {:points, Enum.map(1..count(life, n), &point(label, life, n, &1))}
    end
  end

  # Mostly single ones, as of a training loop; some many, and a few more than go out in one request.
  defp count(life, n) when rem(life, 4) == 2 and rem(n, 100) == 99, do: 1_200
  defp count(_life, n) when rem(n, 20) == 7, do: 10
  defp count(_life, n) when rem(n, 20) == 13, do: 20
  defp count(_life, _n), do: 1

  defp point(label, life, n, i) do
    key = if rem(n + i, 2) == 0, do: "loss", else: "acc"
    step = step(life, n, i)
    {key, value(label, life, n, i), step, @at + step}
  end

  defp step(life, n, i), do: life * @life + n * @longest_call + i
  defp value(label, life, n, i), do: :erlang.phash2({label, life, n, i}) / 1_024

  @doc """
  Lets them log side by side, `rate` calls a second each, and keeps in the file `answers` which of
  their calls were answered. Told to `hurry`, they log a burst as fast as they can. Returns when
  the last one has ended, if it does.
  """
  @spec live([member], pos_integer, pos_integer, Path.t(), atom) :: :ok
  def live(members, life, rate, answers, name) do
    pace = %{rate: rate, began: now(), ahead: :atomics.new(1, [])}

    owners =
      for member <- members, into: %{} do
        {_pid, monitor} = spawn_monitor(fn -> log(member, life, pace, answers, name) end)
        {monitor, member}
      end

    attend(owners, pace, Acknowledged.open!(answers))
  end

  defp attend(owners, _pace, _file) when owners == %{}, do: :ok

  defp attend(owners, pace, file) do
    receive do
      {:told, "hurry"} ->
        :atomics.put(pace.ahead, 1, @burst)
        IO.puts("hurrying")
        attend(owners, pace, file)

      {:DOWN, monitor, :process, _pid, reason} ->
        {member, owners} = Map.pop!(owners, monitor)
        ended(file, member, reason)
        attend(owners, pace, file)
    end
  end

  defp ended(_file, %{ending: {:close, _}}, :normal), do: :ok

  defp ended(file, %{ending: {:exit, reason}} = member, reason),
    do: Acknowledged.write(file, member.label, member.calls + 1)

  defp ended(file, member, reason), do: Acknowledged.complain(file, member.label, reason)

  defp log(member, life, pace, answers, name) do
    file = Acknowledged.open!(answers)
    {:ok, logger} = RunLogger.start_link([name: name] ++ member.options)
    Acknowledged.write(file, member.label, 0)
    log(1, member, %{logger: logger, life: life, file: file, pace: pace})
  end

  # More than any number is the atom `:infinity`.
  defp log(n, %{calls: calls} = member, work) when n > calls,
    do: finish(member, work)

  defp log(n, member, work) do
    :ok = member.label |> call(work.life, n) |> perform(work.logger)
    Acknowledged.write(work.file, member.label, n)
    keep_pace(n, work.pace)
    log(n + 1, member, work)
  end

  defp perform({:params, params}, logger), do: RunLogger.log_params(logger, params)
  defp perform({:tags, tags}, logger), do: RunLogger.set_tags(logger, tags)

  defp perform({:points, [{key, value, step, :now}]}, logger),
    do: RunLogger.log(logger, %{key => value}, step: step)

  defp perform({:points, points}, logger), do: RunLogger.log(logger, points)

  defp keep_pace(calls, pace) do
    ahead = calls - div(pace.rate * (now() - pace.began), 1_000)

    if ahead > :atomics.get(pace.ahead, 1) do
      Process.sleep(1)
      keep_pace(calls, pace)
    end
  end

  defp finish(%{ending: {:close, options}} = member, work) do
    {:ok, _delivered_or_waiting} = RunLogger.close(work.logger, options)
    Acknowledged.write(work.file, member.label, member.calls + 1)
  end

  defp finish(%{ending: {:exit, reason}}, _work), do: exit(reason)

  defp now, do: System.monotonic_time(:millisecond)
end
