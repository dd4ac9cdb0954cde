defmodule MLflow.Outbox.Waiting do
  @moduledoc false
  # Waits until what was logged has been delivered.

  alias MLflow.{Error, Native}
  alias MLflow.Outbox.Courier

  @poll_every 10

  @doc "Hurries the couriers of these logs, and waits until they have delivered what waits now."
  @spec until_delivered(atom, [map], timeout :: non_neg_integer) :: :ok | {:error, Error.t()}
  def until_delivered(name, logs, timeout) do
    wanted = for log <- logs, do: {log, Native.log_progress(log.log).logged}
    Enum.each(logs, &Courier.hurry(name, &1))
    poll(name, wanted, System.monotonic_time(:millisecond) + timeout)
  end

  defp poll(name, wanted, deadline) do
    case Enum.filter(wanted, fn {log, logged} -> delivered(log) < logged end) do
      [] ->
        :ok

      left ->
        if System.monotonic_time(:millisecond) >= deadline do
          {:error, timeout(name, left)}
        else
          Process.sleep(@poll_every)
          poll(name, left, deadline)
        end
    end
  end

  defp delivered(log), do: Native.log_progress(log.log).delivered

  defp timeout(name, left) do
    waiting = left |> Enum.map(fn {log, logged} -> logged - delivered(log) end) |> Enum.sum()
    error = Enum.find_value(left, fn {log, _} -> Courier.error(name, log) end)
    why = if error, do: " (#{Exception.message(error)})", else: ""

    message =
      "#{waiting} entries still wait to be delivered#{why}; they are kept, and delivered when " <>
        "the server takes them"

    Error.new(:timeout, "flush", message, retryable: true)
  end
end
