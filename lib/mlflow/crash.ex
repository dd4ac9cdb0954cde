defmodule MLflow.Crash do
  @moduledoc false
  # An exception as text. A trace may hold the arguments of a call, and among them secrets: they
  # are left out, and only counted.

  @doc "The exception and its trace."
  @spec format(Exception.t(), Exception.stacktrace()) :: String.t()
  def format(exception, trace),
    do: Exception.format(:error, exception, Enum.map(trace, &without_arguments/1))

  defp without_arguments({module, function, arguments, location}) when is_list(arguments),
    do: {module, function, length(arguments), location}

  defp without_arguments({function, arguments, location}) when is_list(arguments),
    do: {function, length(arguments), location}

  defp without_arguments(entry), do: entry
end
