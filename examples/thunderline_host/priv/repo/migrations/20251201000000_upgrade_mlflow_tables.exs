defmodule Thunderline.Repo.Migrations.UpgradeMlflowTables do
  use Ecto.Migration

  def up do
    MLflow.Migration.up(
      version: 1,
      trials: "cerebros_model_trials",
      model_runs: "cerebros_model_runs"
    )
  end

  def down, do: MLflow.Migration.down(version: 1)
end
