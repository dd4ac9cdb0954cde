import Config

config :thunderline_host, Thunderline.Repo, url: System.get_env("DATABASE_URL"), pool_size: 20
