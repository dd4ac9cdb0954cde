defmodule Bench.Ticker do
  @moduledoc """
  How late a process that ticks every millisecond is, in a VM that carries a hundred trials
  into MLflow. The same ticker beside an otherwise idle VM, while the Python client with
  eight threads puts that load on server and machine, tells what of it is ours.
  """

  alias Bench.{Python, Stats, Trials}

  @rounds 3

  def title, do: "ticker: lateness of a 1 ms tick while 100 trials are pushed"

  def run(context) do
    rounds =
      for round <- 1..@rounds do
        {ours(context, round), python(context, round)}
      end

    ours = Enum.flat_map(rounds, &elem(&1, 0))
    theirs = Enum.flat_map(rounds, &elem(&1, 1))

    [
      ["ms late, #{@rounds} rounds", "this VM pushes", "Python pushes", "difference"],
      row("p50", &Stats.percentile(&1, 0.50), ours, theirs),
      row("p99", &Stats.percentile(&1, 0.99), ours, theirs),
      row("max", &Enum.max/1, ours, theirs),
      ["ticks", "#{length(ours)}", "#{length(theirs)}", ""]
    ]
  end

  defp row(title, statistic, ours, theirs) do
    {our, their} = {statistic.(ours) / 1000, statistic.(theirs) / 1000}
    [title, Stats.format(our, 3), Stats.format(their, 3), Stats.format(our - their, 3)]
  end

  defp ours(context, round) do
    Trials.with_instance(context, "ticker-#{round}", fn opts, _experiment_id ->
      ticking(fn -> Trials.push(opts) end)
    end)
  end

  defp python(context, round) do
    Trials.with_instance(context, "ticker-#{round}-python", fn _opts, experiment_id ->
      ticking(fn ->
        Python.seconds(context.python, ["push", experiment_id, Trials.count(), 8])
      end)
    end)
  end

  # The microseconds each tick came late while `fun` ran.
  defp ticking(fun) do
    owner = self()
    ticker = spawn_link(fn -> tick(System.monotonic_time(:millisecond) + 1, [], owner) end)
    fun.()
    send(ticker, :stop)

    receive do
      {^ticker, late} -> late
    end
  end

  # Ticks are due at whole milliseconds: one that comes late does not put off the next.
  defp tick(due, late, owner) do
    :erlang.send_after(due, self(), :tick, abs: true)

    receive do
      :tick ->
        tick(due + 1, [System.monotonic_time(:microsecond) - due * 1000 | late], owner)

      :stop ->
        send(owner, {self(), late})
    end
  end
end
