if Code.ensure_loaded?(MLflow.Store.Ecto) do
  defmodule MLflow.Integration.EctoStoreTest do
    use MLflow.HostStoreCase, world: MLflow.HostWorld, tags: [:ecto, :postgres]
  end
end

if Code.ensure_loaded?(MLflow.Store.Ash) and Code.ensure_loaded?(AshPostgres) do
  defmodule MLflow.Integration.AshStoreTest do
    use MLflow.HostStoreCase, world: MLflow.AshHost.Postgres.World, tags: [:ash, :postgres]
  end
end
