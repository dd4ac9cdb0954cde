defmodule MLflow.History.Pruner do
  @moduledoc false
  # Deletes history that is older than `history_retention`, once an hour. A process of its own: the
  # first round after a long pause may take a while, and nobody waits for it.

  use GenServer
  require Logger

  alias MLflow.{Error, Instance, Metric}

  @first_round 10_000
  @every 3_600_000

  def start_link(config), do: GenServer.start_link(__MODULE__, config)

  @impl true
  def init(config) do
    Process.send_after(self(), :prune, @first_round)
    {:ok, config}
  end

  @impl true
  def handle_info(:prune, config) do
    with {:error, error} <- prune(config),
         do: Logger.warning("MLflow's sync history was not pruned: #{Exception.message(error)}")

    Process.send_after(self(), :prune, @every)
    {:noreply, config}
  end

  @doc "Prunes now; answers how many attempts were deleted."
  @spec prune(MLflow.Config.t()) :: {:ok, non_neg_integer} | {:error, Error.t()}
  def prune(config) do
    with {:ok, instance} <- Instance.fetch(name: config.name) do
      before = Metric.now() - config.history_retention * 1_000
      config.store.prune_history(instance, before)
    end
  end
end
