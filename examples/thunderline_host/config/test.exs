import Config

config :thunderline_host, Thunderline.Repo,
  url: System.get_env("TEST_DATABASE_URL", "postgres://postgres@localhost/thunderline_test"),
  pool_size: 20

# Each test run has an experiment of its own on the server of MLFLOW_TRACKING_URI.
config :thunderline_host, MLflow,
  default_experiment:
    System.get_env("TEST_EXPERIMENT", "thunderline-test-#{System.os_time(:microsecond)}")

# Tests start the queue when they want it to work.
config :thunderline_host, Oban, queues: false, plugins: false
config :logger, level: :warning
