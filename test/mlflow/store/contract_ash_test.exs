if Code.ensure_loaded?(MLflow.Store.Ash) do
  defmodule MLflow.Store.ContractAshEtsTest do
    use MLflow.Case, async: false
    use MLflow.StoreContract, world: MLflow.AshHost.Ets.World, tags: [:ash]
  end

  if Code.ensure_loaded?(MLflow.AshHost.Postgres) do
    defmodule MLflow.Store.ContractAshPostgresTest do
      use MLflow.Case, async: false
      use MLflow.StoreContract, world: MLflow.AshHost.Postgres.World, tags: [:ash, :postgres]
    end
  end
end
