import Config

# Tests start instances of their own, each with its own database.
if config_env() == :test, do: config(:mlflow_sync, default_instance: false)
