defmodule Bench.ServerLog do
  @moduledoc "Requests as the server itself counts them: a line each in its log."

  @doc "Runs `fun`; its result, and how many requests of the API the server answered meanwhile."
  @spec count(map, (() -> result)) :: {non_neg_integer, result} when result: var
  def count(context, fun) do
    before = requests(context)
    result = fun.()
    # The line is written once the answer is on its way.
    Process.sleep(500)
    {requests(context) - before, result}
  end

  defp requests(context) do
    context.directory
    |> Path.join("mlflow.log")
    |> File.stream!()
    |> Enum.count(&(&1 =~ ~r{"(GET|POST|PATCH|DELETE) /api/}))
  end
end
