if Code.ensure_loaded?(MLflow.Store.Ecto) do
  defmodule MLflow.Store.ContractEctoTest do
    use MLflow.Case, async: false
    use MLflow.StoreContract, world: MLflow.HostWorld, tags: [:ecto, :postgres]
  end
end
