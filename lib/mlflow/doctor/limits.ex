defmodule MLflow.Doctor.Limits do
  @moduledoc false
  # The limits that a running instance has learnt to keep to.

  @behaviour MLflow.Doctor.Area

  alias MLflow.{CLI.Text, Client}
  alias MLflow.Doctor.Finding

  @area :limits

  @impl true
  def examine(%{running: nil} = context), do: {[], context}

  def examine(context), do: {findings(Client.limits(name: context.name)), context}

  defp findings({:ok, %{profile: profile, batch: batch, circuit: circuit} = limits}) do
    told =
      "#{profile}'s; batches of #{batch.entities} entities and #{Text.bytes(batch.bytes)}; " <>
        "#{rate(limits.rate)}; #{circuit(circuit)}"

    [Finding.info(@area, "the limits that the instance keeps to are #{told}")]
  end

  defp findings({:error, error}),
    do: [Finding.error(@area, "the instance does not tell its limits", error)]

  defp rate(nil), do: "as many requests as get through"
  defp rate(rate), do: "#{Float.round(rate * 1.0, 1)} requests per s"

  defp circuit(:closed), do: "the server answers"
  defp circuit({:open, ms}), do: "the server does not answer, and is asked again in #{ms} ms"
end
