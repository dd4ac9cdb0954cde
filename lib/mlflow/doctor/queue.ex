defmodule MLflow.Doctor.Queue do
  @moduledoc false
  # The jobs: how many wait and for how long, which were given up and why, which are stuck.

  @behaviour MLflow.Doctor.Area

  alias MLflow.{CLI.Text, Metric}
  alias MLflow.Doctor.{Context, Finding}
  alias MLflow.Queue.Embedded
  alias MLflow.Store.Embedded, as: Store

  @area :queue
  # A running queue takes what is due within a second, if it has room.
  @long_wait 300_000
  @told 3
  @given_up ~w(discarded cancelled)

  @impl true
  def examine(context) do
    cond do
      not Context.store?(context) -> {[], context}
      context.config.queue == Embedded -> {embedded(context.instance), context}
      true -> {[elsewhere(context.config.queue)], context}
    end
  end

  defp elsewhere(module),
    do: Finding.info(@area, "jobs are run by #{inspect(module)}: its own tools show how they are")

  defp embedded(instance) do
    name = Atom.to_string(instance.name)

    with {:ok, counts} <- Store.call(instance, {:count_jobs, name}),
         {:ok, oldest} <- Store.call(instance, {:next_due_job, name}),
         {:ok, executing} <- jobs(instance, name, ["executing"], 1_000),
         {:ok, given_up} <- jobs(instance, name, @given_up, @told) do
      [counted(counts)] ++ waiting(counts, oldest) ++ stuck(executing) ++ lost(counts, given_up)
    else
      {:error, error} -> [Finding.error(@area, "the jobs cannot be read", error)]
    end
  end

  defp jobs(instance, name, states, limit) do
    filter = %{instance: name, states: states, action: nil, limit: limit}
    Store.call(instance, {:list_jobs, filter})
  end

  @order ~w(executing available retryable scheduled completed cancelled discarded)

  defp counted(counts) do
    case for(state <- @order, n = counts[state], n not in [nil, 0], do: "#{n} #{state}") do
      [] -> Finding.ok(@area, "there are no jobs")
      parts -> Finding.ok(@area, "jobs: " <> Enum.join(parts, ", "))
    end
  end

  defp waiting(counts, oldest) when is_integer(oldest) do
    age = Metric.now() - oldest
    n = Map.get(counts, "available", 0) + Map.get(counts, "retryable", 0)

    if age > @long_wait do
      [
        Finding.warning(
          @area,
          "the oldest of #{Text.count(n, "job")} is due since #{Text.duration(age)}",
          advice:
            "make sure that the application runs, and that its jobs are not all waiting for a " <>
              "server that is down"
        )
      ]
    else
      []
    end
  end

  defp waiting(_counts, nil), do: []

  # A live queue renews its leases every few seconds.
  defp stuck(executing) do
    now = Metric.now()

    case Enum.filter(executing, &(is_integer(&1["lease_until"]) and &1["lease_until"] < now)) do
      [] ->
        []

      stuck ->
        [
          Finding.warning(
            @area,
            "#{Text.count(length(stuck), "job")} was left by a process that died",
            detail: Enum.map_join(Enum.take(stuck, @told), "\n", &called/1),
            advice: "start the application: its queue takes them up again by itself"
          )
        ]
    end
  end

  defp lost(counts, jobs) do
    case @given_up |> Enum.map(&Map.get(counts, &1, 0)) |> Enum.sum() do
      0 ->
        []

      n ->
        [
          Finding.warning(@area, "#{Text.count(n, "job")} was given up",
            detail: Enum.map_join(jobs, "\n", &"#{called(&1)}: #{last_error(&1)}"),
            advice:
              "mend what the errors say, then MLflow.SyncWorker.retry/2 runs such a job again; " <>
                "MLflow.SyncWorker.jobs(state: [:discarded, :cancelled]) lists them all"
          )
        ]
    end
  end

  defp called(job) do
    target = job["args"] |> Map.values() |> Enum.filter(&is_binary/1) |> Enum.join(", ")
    "#{job["id"]} #{job["action"]} #{Text.value(target, 60)} (#{job["state"]})"
  end

  defp last_error(%{"errors" => [_ | _] = errors}) do
    error = List.last(errors)
    "#{error["kind"]}: #{error["message"]}"
  end

  defp last_error(_job), do: "cancelled by hand"
end
