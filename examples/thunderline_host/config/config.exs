import Config

config :thunderline_host,
  ecto_repos: [Thunderline.Repo],
  ash_domains: [Thunderline.Thunderbolt.Domain]

# The instance stands in the host's own supervision tree, between its repo and its Oban.
config :mlflow_sync, default_instance: false

config :thunderline_host, MLflow,
  store:
    {MLflow.Store.Ash,
     experiment: Thunderline.Thunderbolt.MLflow.Experiment,
     run: Thunderline.Thunderbolt.MLflow.Run,
     point: Thunderline.Thunderbolt.MLflow.Point,
     attempt: Thunderline.Thunderbolt.MLflow.SyncAttempt,
     conflict: Thunderline.Thunderbolt.MLflow.Conflict,
     trial:
       {Thunderline.Thunderbolt.ModelTrial, update: :sync_from_mlflow, link: :link_mlflow_run},
     model_run: Thunderline.Thunderbolt.ModelRun},
  queue: MLflow.Queue.Oban,
  # Oban's cron looks for what is due, below: once for all nodes.
  sync_interval: 0

# Of what waits, the sync of trials is the least urgent: see the worker's priority.
config :thunderline_host, Oban,
  repo: Thunderline.Repo,
  queues: [mlflow_sync: 8],
  plugins: [
    {Oban.Plugins.Pruner, max_age: 7 * 24 * 3_600},
    {Oban.Plugins.Lifeline, rescue_after: :timer.minutes(15)},
    {Oban.Plugins.Cron,
     crontab: [{"*/5 * * * *", MLflow.SyncWorker, args: %{action: "sync_due_trials"}}]}
  ]

import_config "#{config_env()}.exs"
