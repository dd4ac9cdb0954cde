import Config

config :thunderline_host, Thunderline.Repo,
  url: System.get_env("TEST_DATABASE_URL", "postgres://postgres@localhost/thunderline_test"),
  pool_size: 20

# Tests start Oban as they need it.
config :thunderline_host, Oban, queues: false, plugins: false
config :logger, level: :warning
config :ash, :disable_async?, true
