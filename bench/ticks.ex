defmodule Bench.Ticks do
  @moduledoc "A process that ticks every millisecond, and how late it is."

  @doc "The microseconds by which each tick came late while `fun` ran."
  @spec during((() -> term)) :: [integer]
  def during(fun) do
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
