defmodule MLflow.Doctor.Queue do
  @moduledoc false
  # The jobs: how many wait and for how long, which were given up and why, which are stuck.

  @behaviour MLflow.Doctor.Area

  alias MLflow.{CLI.Text, Metric}
  alias MLflow.Doctor.{Context, Finding, Jobs}
  alias MLflow.Queue.Embedded
  alias MLflow.Store.Embedded, as: Store

  @area :queue
  @told 3
  @given_up ~w(discarded cancelled)

  @impl true
  def examine(context) do
    cond do
      not Context.store?(context) -> {[], context}
      context.config.queue == Embedded -> {embedded(context.instance), context}
      true -> {checked(context), context}
    end
  end

  # As a start would be.
  defp checked(%{config: config, instance: instance}) do
    case MLflow.Queue.children(config) do
      {:ok, _children} -> elsewhere(config.queue, instance)
      {:error, error} -> [Finding.error(@area, "the instance cannot start", error)]
    end
  end

  if Code.ensure_loaded?(Oban) do
    defp elsewhere(MLflow.Queue.Oban, instance), do: MLflow.Doctor.ObanQueue.findings(instance)
  end

  defp elsewhere(module, _instance),
    do: [
      Finding.info(@area, "jobs are run by #{inspect(module)}: its own tools show how they are")
    ]

  defp embedded(instance) do
    name = Atom.to_string(instance.name)

    with {:ok, counts} <- Store.call(instance, {:count_jobs, name}),
         {:ok, oldest} <- Store.call(instance, {:next_due_job, name}),
         {:ok, executing} <- jobs(instance, name, ["executing"], 1_000),
         {:ok, given_up} <- jobs(instance, name, @given_up, @told) do
      age = if oldest, do: Metric.now() - oldest, else: 0

      [Jobs.counted(counts)] ++
        Jobs.waiting(counts, age) ++
        stuck(executing) ++
        Jobs.given_up(counts, Enum.map(given_up, &"#{called(&1)}: #{last_error(&1)}"))
    else
      {:error, error} -> [Finding.error(@area, "the jobs cannot be read", error)]
    end
  end

  defp jobs(instance, name, states, limit) do
    filter = %{instance: name, states: states, action: nil, limit: limit}
    Store.call(instance, {:list_jobs, filter})
  end

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

  defp called(job), do: Jobs.called(job["id"], job["action"], job["args"], job["state"])

  defp last_error(%{"errors" => [_ | _] = errors}) do
    error = List.last(errors)
    "#{error["kind"]}: #{error["message"]}"
  end

  defp last_error(_job), do: "cancelled by hand"
end
