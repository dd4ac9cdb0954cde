defmodule MLflow.Store.ContractEmbeddedTest do
  use MLflow.Case, async: true
  use MLflow.StoreContract, world: MLflow.EmbeddedWorld
end
