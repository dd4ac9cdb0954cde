if Code.ensure_loaded?(Oban.Worker) do
  defmodule MLflow.Queue.Oban.Worker do
    @moduledoc false
    # What every sync worker does, whatever its name: `MLflow.SyncWorker`, and those that hosts make
    # by using it.

    alias MLflow.{Error, Instance, SyncWorker, Telemetry}
    alias MLflow.Queue.Backoff
    alias MLflow.SyncWorker.Request
    alias Oban.Job

    # A job that executes may have read before the change that the next one is for, and so does not
    # count. Given to each job, since Oban warns about such states when a worker is compiled.
    @unique [
      period: :infinity,
      fields: [:worker, :args],
      states: ~w(available scheduled retryable)a
    ]

    # No request takes longer than `total_timeout` (2 min); one trial or run needs a few of them.
    @timeout 600_000
    # An experiment of 100,000 runs takes some minutes to compare, and longer to bring in step.
    @experiment_timeout 3_600_000

    @doc "The states of a job that waits."
    @spec waiting() :: [String.t()]
    def waiting, do: Enum.map(@unique[:states], &Atom.to_string/1)

    @doc "Args as they come back from the database; the default instance is not named in them."
    @spec args(map) :: map
    def args(args) do
      args = args |> Map.new(fn {key, value} -> {to_string(key), value} end) |> Request.args()
      {instance, args} = Map.pop(args, "instance")

      case instance_name(instance) do
        default when default in [nil, "MLflow"] -> args
        name -> Map.put(args, "instance", name)
      end
    end

    defp instance_name(nil), do: nil
    defp instance_name(name) when is_atom(name), do: inspect(name)
    defp instance_name("Elixir." <> name), do: name
    defp instance_name(name), do: name

    @doc "A job's options: what tells jobs apart, and what shows what a job is about."
    @spec options(map, keyword) :: keyword
    def options(args, opts) do
      opts
      |> Keyword.update(:unique, @unique, &unique/1)
      |> Keyword.update(:tags, tags(args), &(tags(args) ++ &1))
      |> Keyword.update(:meta, meta(args), &Map.merge(meta(args), &1))
    end

    defp unique(given) when is_list(given), do: Keyword.merge(@unique, given)
    defp unique(given) when given in [nil, false], do: nil
    defp unique(true), do: @unique
    defp unique(other), do: other

    defp tags(%{"action" => action}) when is_binary(action), do: ["mlflow", action]
    defp tags(_args), do: ["mlflow"]

    defp meta(args) do
      about = %{"instance" => args["instance"] || inspect(MLflow), "target" => target(args)}
      %{"mlflow" => about}
    end

    defp target(args) do
      Enum.find_value(~w(trial_id mlflow_run_id experiment_id experiment_name), &args[&1])
    end

    @doc "Runs a job, and answers what Oban understands."
    @spec perform(Job.t()) :: Oban.Worker.result()
    def perform(%Job{args: args} = job) do
      with {:ok, instance} <- instance(args["instance"]) do
        verdict =
          Telemetry.span(:job, %{name: instance.name, job: job}, fn ->
            SyncWorker.run(instance, args)
          end)

        answer(verdict)
      end
    end

    defp answer({:snooze, seconds, _error}), do: {:snooze, seconds}
    defp answer(verdict), do: verdict

    # Compared with what runs: a name from the database must never become an atom. An atom that a host
    # put into a job without this module is there as JSON has it.
    defp instance(nil), do: Instance.fetch([])

    defp instance(name) do
      case Enum.find(Instance.names(), &(name in [inspect(&1), Atom.to_string(&1)])) do
        nil -> {:error, not_running(name)}
        found -> Instance.fetch(name: found)
      end
    end

    defp not_running(name) do
      message =
        "no MLflow instance named #{if is_binary(name), do: name, else: inspect(name)} runs on " <>
          "#{node()}, where this job was started; start it before Oban, or keep the queue to the " <>
          "nodes that have it"

      Error.new(:config, "instance", message, retryable: true)
    end

    @doc "Seconds until the next attempt. Only failures leave an error; a snooze does not count."
    @spec backoff(Job.t()) :: pos_integer
    def backoff(%Job{errors: errors}),
      do: div(Backoff.delay(length(errors) + 1) + 999, 1_000)

    @doc "ms that an attempt may take."
    @spec timeout(Job.t()) :: pos_integer
    def timeout(%Job{args: %{"action" => "sync_experiment"}}), do: @experiment_timeout
    def timeout(%Job{}), do: @timeout
  end
end
