defmodule MLflow.Doctor.Server do
  @moduledoc false
  # Whether what answers is an MLflow server, which version it is, whether it lets us in, and how
  # fast it is.

  @behaviour MLflow.Doctor.Area

  alias MLflow.{CLI.Text, Error}
  alias MLflow.Doctor.{Context, Finding}

  @area :server
  @samples 5
  @slow 1_000
  @silent [:connect, :connection_lost, :timeout, :tls]

  # Asks the server's database, which needs its credentials, and costs it next to nothing.
  @query {:search_experiments,
          %{filter: nil, max_results: 1, order_by: [], view_type: nil, page_token: nil}}

  @impl true
  def examine(%{reachable?: false} = context), do: {[], context}

  def examine(context) do
    {_, api} = Context.ask(context, @query)
    {_, health} = Context.ask(context, :health)
    context = %{context | usable?: match?({:ok, _}, api), reachable?: answered?(api, health)}
    version = if context.reachable?, do: context |> Context.ask(:version) |> elem(1), else: health
    findings = [api(api, context.config)] ++ health(health, api) ++ version(version, api)

    {findings ++ latency(context, context.usable?), context}
  end

  # Nobody is made to wait again for one that does not answer.
  defp answered?({:error, %Error{kind: one}}, {:error, %Error{kind: other}}),
    do: one not in @silent or other not in @silent

  defp answered?(_api, _health), do: true

  defp api({:ok, _}, config) do
    Finding.ok(@area, "the API answers, #{credentials(config)}")
  end

  defp api({:error, %Error{kind: kind} = error}, config)
       when kind in [:unauthenticated, :forbidden],
       do: Finding.error(@area, "the server does not let us in, #{credentials(config)}", error)

  defp api({:error, %Error{kind: :not_mlflow} = error}, _config),
    do: Finding.error(@area, "what answers there is no MLflow server", error)

  defp api({:error, error}, _config), do: Finding.error(@area, "the API does not answer", error)

  defp credentials(%{username: user}) when user != nil, do: "asked as #{Text.value(user)}"
  defp credentials(%{auth: :google_identity}), do: "asked with a Google identity token"
  defp credentials(%{auth: :auto, token: token}) when token != nil, do: "asked with a token"
  defp credentials(_config), do: "asked without credentials"

  defp health(:ok, _api), do: [Finding.ok(@area, "/health says that it is up")]

  # Managed services have the API alone.
  defp health({:error, %Error{kind: :not_mlflow}}, {:ok, _}),
    do: [Finding.info(@area, "it has no /health, as managed MLflow does not")]

  defp health({:error, error}, {:ok, _}) do
    [
      Finding.warning(@area, "/health does not answer, while the API does",
        detail: Exception.message(error),
        advice: "look at what stands between here and the server; health checks would fail"
      )
    ]
  end

  # The API's own error says it better.
  defp health({:error, _}, {:error, _}), do: []

  defp version({:ok, version}, _api), do: [known(version)]

  defp version({:error, _}, {:ok, _}) do
    [
      Finding.info(@area, "it does not tell its version, as managed MLflow does not",
        advice: "nothing, as long as syncs work: 2.9.2 to 3.x is what this library is tested with"
      )
    ]
  end

  defp version({:error, _}, {:error, _}), do: []

  defp known(version) do
    case numbers(version) do
      [major, minor, patch] when {major, minor, patch} < {2, 9, 2} ->
        Finding.warning(@area, "MLflow #{version} is older than what is looked after (2.9.2)",
          detail: "The API is the same since 1.x, except for what an old server does not know.",
          advice: "upgrade the server, or try mix mlflow.doctor --write-check"
        )

      [major, _, _] when major > 3 ->
        Finding.warning(@area, "MLflow #{version} is newer than what was tested (3.x)",
          advice: "look for a newer mlflow_sync, or try mix mlflow.doctor --write-check"
        )

      [_, _, _] ->
        Finding.ok(@area, "MLflow #{version}, which is supported")

      nil ->
        Finding.info(@area, "its version, #{Text.value(version)}, is none that is known")
    end
  end

  defp numbers(version) do
    case Regex.run(~r/\A(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?/, version) do
      [_ | numbers] ->
        Enum.map(numbers ++ List.duplicate("0", 3 - length(numbers)), &String.to_integer/1)

      nil ->
        nil
    end
  end

  defp latency(_context, false), do: []

  defp latency(context, true) do
    times = for _ <- 1..@samples, {ms, {:ok, _}} <- [Context.ask(context, @query)], do: ms

    case Enum.sort(times) do
      [_, _, median, _, slowest] -> [latency_finding(median, slowest)]
      _ -> [unsteady(length(times))]
    end
  end

  defp latency_finding(median, slowest) do
    title =
      "a small request takes #{Text.duration(median)} (median of #{@samples}, " <>
        "#{Text.duration(slowest)} at most)"

    if median > @slow do
      Finding.warning(@area, title,
        advice: "look at the server's load and its database, and at the way there"
      )
    else
      Finding.ok(@area, title)
    end
  end

  defp unsteady(answered) do
    Finding.warning(@area, "of #{@samples} small requests only #{answered} were answered",
      advice: "look into the server's log; syncs repeat what fails, and take longer for it"
    )
  end
end
