defmodule MLflow.Doctor.Clock do
  @moduledoc false
  # The server's clock beside ours, by the `Date` of an answer.

  @behaviour MLflow.Doctor.Area

  alias MLflow.{CLI.Text, Metric}
  alias MLflow.Doctor.{Context, Finding}

  @area :clock
  @tolerated 2_000
  @may_be_late -60_000..(-@tolerated - 1)
  @readings 5
  @pause 1_000

  @impl true
  def examine(%{reachable?: false} = context), do: {[], context}

  def examine(context), do: {context |> read(@readings) |> findings(), context}

  # A web server may renew its date late when it is busy, so that its clock seems to be behind;
  # then it is read again after a moment, and the best reading counts.
  defp read(context, readings) do
    before = Metric.now()
    {_, answer} = Context.ask(context, :server_clock)

    with {:ok, date} when is_integer(date) <- answer,
         skew when skew in @may_be_late and readings > 1 <- skew(date, before, Metric.now()) do
      Process.sleep(@pause)
      better(skew, read(context, readings - 1))
    end
  end

  defp better(skew, again) when is_integer(again), do: max(skew, again)
  defp better(skew, _no_answer), do: skew

  defp findings(skew) when is_integer(skew), do: [finding(skew)]
  defp findings({:ok, nil}), do: [Finding.info(@area, "the server does not tell what time it is")]
  # Why it did not answer was said already.
  defp findings({:error, _}), do: []

  @doc """
  How far the server's clock is ahead (ms, negative: behind), at the least. It was read at some
  moment between `before` and `later`, and a date leaves out what part of its second was over.
  """
  @spec skew(integer, integer, integer) :: integer
  def skew(date, before, later) do
    {least, most} = {date - later, date + 999 - before}

    cond do
      least > 0 -> least
      most < 0 -> most
      true -> 0
    end
  end

  defp finding(skew) when abs(skew) <= @tolerated,
    do: Finding.ok(@area, "the server's clock and ours agree (as far as seconds tell)")

  defp finding(skew) do
    side = if skew > 0, do: "ahead of ours", else: "behind ours"

    Finding.warning(@area, "the server's clock is #{Text.duration(abs(skew))} #{side}",
      detail:
        "Points, and the beginning and end of runs, carry our time. Beside what others log they " <>
          "stand in the wrong order then, the policy :newest takes the older for the newer, and " <>
          "tokens count as expired, or as not valid yet.",
      advice: "let both machines keep their time by NTP"
    )
  end
end
