if Code.ensure_loaded?(MLflow.Store.Ash) do
  defmodule MLflow.Store.ContractAshEtsTest do
    use MLflow.Case, async: false
    use MLflow.StoreContract, world: MLflow.AshHost.Ets.World

    @moduletag :ash
  end

  if Code.ensure_loaded?(MLflow.AshHost.Postgres) do
    defmodule MLflow.Store.ContractAshPostgresTest do
      use MLflow.Case, async: false
      use MLflow.StoreContract, world: MLflow.AshHost.Postgres.World

      @moduletag :ash
      @moduletag :postgres
    end
  end
end
