if Code.ensure_loaded?(Oban) do
  defmodule MLflow.Doctor.ObanQueue do
    @moduledoc false
    # The jobs in an application's Oban: how many wait and for how long, which were given up and why,
    # and whether anything here runs them.

    alias MLflow.CLI.Text
    alias MLflow.Doctor.{Finding, Jobs}
    alias MLflow.Queue.Oban.Options

    @area :queue
    @told 3
    @given_up ~w(discarded cancelled)

    @doc "What there is to say of the instance's jobs."
    @spec findings(MLflow.Instance.t()) :: [Finding.t()]
    def findings(instance) do
      options = Options.new!(instance.config.queue_options)

      if Oban.whereis(options.oban),
        do: [where(options) | jobs(instance)],
        else: [not_here(options)]
    end

    defp not_here(options) do
      Finding.info(@area, "jobs are in the Oban named #{inspect(options.oban)}, not running here",
        advice: "examine the running application: mix mlflow.doctor --instance NAME"
      )
    end

    defp where(%Options{oban: oban} = options) do
      queue = to_string(options.queue || options.worker.__opts__()[:queue])
      title = "jobs are in the Oban named #{inspect(oban)}, queue #{queue}"

      if Oban.Registry.whereis(oban, {:producer, queue}) do
        Finding.ok(@area, title <> ", which runs in this VM")
      else
        Finding.info(@area, title <> ", which does not run in this VM",
          advice: "add #{queue}: 4 to the queues of that Oban, unless other nodes run them"
        )
      end
    end

    defp jobs(instance) do
      with {:ok, found} <- MLflow.Queue.Oban.counts(instance),
           {:ok, lost} <- MLflow.Queue.Oban.list(instance, state: @given_up, limit: @told) do
        counts = Map.new(found, fn {state, {count, _first}} -> {state, count} end)

        [Jobs.counted(counts)] ++
          Jobs.waiting(counts, age(found)) ++ Jobs.given_up(counts, Enum.map(lost, &told/1))
      else
        {:error, error} -> [Finding.error(@area, "the jobs cannot be read", error)]
      end
    end

    defp age(found) do
      now = DateTime.utc_now()

      for({state, {_, at}} <- found, state in ~w(available retryable), do: DateTime.diff(now, at))
      |> Enum.max(fn -> 0 end)
      |> :timer.seconds()
    end

    defp told(job) do
      {action, args} = Map.pop(job.args, "action")
      Jobs.called(job.id, action, args, job.state) <> ": " <> last_error(job.errors)
    end

    defp last_error([]), do: "cancelled by hand"

    # Oban's own words, and then ours.
    defp last_error(errors) do
      text = List.last(errors)["error"] || ""
      Text.value(String.replace_prefix(text, "** (Oban.PerformError) ", ""), 300)
    end
  end
end
