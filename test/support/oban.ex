if Code.ensure_loaded?(Oban) do
  defmodule MLflow.TestRepo.ObanMigration do
    @moduledoc "Oban's table, as a host's migration makes it."
    use Ecto.Migration

    def up, do: Oban.Migration.up()
    def down, do: Oban.Migration.down()
  end

  defmodule MLflow.ObanCase do
    @moduledoc "An Oban of a test's own, on a host's repo, and an instance whose jobs are in it."

    use ExUnit.CaseTemplate

    import MLflow.Case

    using do
      quote do
        use MLflow.Case, async: false
        import MLflow.ObanCase
        alias MLflow.TestRepo
      end
    end

    @doc "Starts an Oban that ends with the test; its queues run unless it is for `testing:`."
    def start_oban(opts \\ []) do
      name = Keyword.get_lazy(opts, :name, fn -> unique_name() end)

      defaults = [
        name: name,
        repo: MLflow.TestRepo,
        queues: [mlflow_sync: 4],
        # A test waits for jobs that are scheduled, and cannot wait a second for each.
        stage_interval: 50,
        shutdown_grace_period: 1_000
      ]

      start_supervised!({Oban, Keyword.merge(defaults, opts)}, id: name)
      name
    end

    @doc "Starts an instance whose queue is an Oban's: `start_oban/1`'s options are in `oban:`."
    def start_oban_instance(opts \\ []) do
      {oban, opts} = Keyword.pop(opts, :oban, [])
      {queue, opts} = Keyword.pop(opts, :queue_options, [])
      name = start_instance([queue: {MLflow.Queue.Oban, [oban: unique_name()] ++ queue}] ++ opts)
      oban = start_oban([name: MLflow.config!(name: name).queue_options[:oban]] ++ oban)
      {name, oban}
    end
  end

  if Code.ensure_loaded?(Ecto.Adapters.SQLite3) do
    defmodule MLflow.TestSQLiteRepo do
      @moduledoc "The repo of a host application that is on SQLite."
      use Ecto.Repo, otp_app: :mlflow_sync_host, adapter: Ecto.Adapters.SQLite3
    end
  end
end
