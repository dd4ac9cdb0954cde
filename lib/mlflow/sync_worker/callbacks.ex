defmodule MLflow.SyncWorker.Callbacks do
  @moduledoc false
  # Makes a module an `Oban.Worker` where Oban is present, and leaves it as it is elsewhere.

  if Code.ensure_loaded?(Oban.Worker) do
    @defaults [queue: :mlflow_sync, priority: 2, max_attempts: 5]

    defmacro __using__(opts) do
      quote do
        use Oban.Worker, Keyword.merge(unquote(@defaults), unquote(opts))

        alias MLflow.Queue.Oban.Worker, as: SyncJob

        @impl Oban.Worker
        def new(args, opts) do
          args = SyncJob.args(args)
          super(args, SyncJob.options(args, opts))
        end

        @impl Oban.Worker
        def perform(job), do: SyncJob.perform(job)

        @impl Oban.Worker
        def backoff(job), do: SyncJob.backoff(job)

        @impl Oban.Worker
        def timeout(job), do: SyncJob.timeout(job)

        defoverridable Oban.Worker
      end
    end
  else
    defmacro __using__(_opts), do: nil
  end
end
