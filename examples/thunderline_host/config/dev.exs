import Config

config :thunderline_host, Thunderline.Repo,
  url: System.get_env("DATABASE_URL", "postgres://postgres@localhost/thunderline_dev"),
  pool_size: 20

# Each query of each job would be told, in the middle of a session.
config :logger, level: :info
