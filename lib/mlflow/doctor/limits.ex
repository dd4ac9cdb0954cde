defmodule MLflow.Doctor.Limits do
  @moduledoc false
  # The limits that a running instance has learnt to keep to.

  @behaviour MLflow.Doctor.Area

  alias MLflow.{CLI.Text, Client}
  alias MLflow.Doctor.Finding

  @area :limits

  @impl true
  def examine(%{running: nil} = context), do: {[], context}

  def examine(context) do
    if Code.ensure_loaded?(Client) and function_exported?(Client, :limits, 1),
      do: {findings(apply(Client, :limits, [[name: context.name]])), context},
      else: {[], context}
  end

  defp findings({:ok, limits}) do
    told =
      limits
      |> Enum.map(fn {key, value} -> {to_string(key), value} end)
      |> Enum.sort()
      |> Enum.map_join(", ", fn {key, value} -> "#{key} #{Text.value(value)}" end)

    [Finding.info(@area, "the instance keeps to these limits: #{told}")]
  end

  defp findings({:error, error}),
    do: [Finding.error(@area, "the instance does not tell its limits", error)]
end
