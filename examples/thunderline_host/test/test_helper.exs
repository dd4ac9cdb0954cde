case MLflow.Client.health() do
  {:ok, _} ->
    ExUnit.start()

  {:error, error} ->
    raise "these tests need an MLflow server (MLFLOW_TRACKING_URI): #{Exception.message(error)}"
end
