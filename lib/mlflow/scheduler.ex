defmodule MLflow.Scheduler do
  @moduledoc false
  # Every `sync_interval`, queues a sync of each trial that is unfinished, failed to sync or has
  # changed since. The first round comes soon after the start, for what an earlier run left over;
  # rounds are jittered, so that several nodes do not ask together.

  use GenServer
  require Logger

  alias MLflow.SyncWorker

  @first_round 2_000

  def start_link(config), do: GenServer.start_link(__MODULE__, config)

  @impl true
  def init(config) do
    {:ok, config, {:continue, :first_round}}
  end

  @impl true
  def handle_continue(:first_round, config), do: {:noreply, next_round(config, @first_round)}

  @impl true
  def handle_info(:round, config) do
    with {:error, error} <- SyncWorker.sync_due_trials(name: config.name),
         do: Logger.warning("MLflow's periodic sync failed: #{Exception.message(error)}")

    interval = config.sync_interval * 1_000
    {:noreply, next_round(config, interval + :rand.uniform(div(interval, 10) + 1))}
  end

  defp next_round(config, ms) do
    Process.send_after(self(), :round, ms)
    config
  end
end
