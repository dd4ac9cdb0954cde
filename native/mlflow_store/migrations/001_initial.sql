-- Times are INTEGER milliseconds since the epoch; JSON is TEXT.
-- REAL columns may hold the TEXT 'NaN', for which SQLite has no number.

CREATE TABLE model_runs (
  id                   TEXT PRIMARY KEY NOT NULL,
  run_id               TEXT UNIQUE,
  state                TEXT,
  search_space_version INTEGER,
  max_params           INTEGER,
  requested_trials     INTEGER,
  completed_trials     INTEGER,
  best_metric          REAL,
  error_message        TEXT,
  metadata             TEXT,
  bridge_payload       TEXT,
  bridge_result        TEXT,
  mlflow_experiment_id TEXT,
  started_at           INTEGER,
  finished_at          INTEGER,
  inserted_at          INTEGER NOT NULL,
  updated_at           INTEGER NOT NULL
);

CREATE TABLE model_trials (
  id                   TEXT PRIMARY KEY NOT NULL,
  trial_id             TEXT NOT NULL UNIQUE,
  model_run_id         TEXT,
  mlflow_experiment_id TEXT,
  name                 TEXT,
  status               TEXT,
  metrics              TEXT,
  parameters           TEXT,
  hyperparameters      TEXT,
  tags                 TEXT,
  spectral_norm        INTEGER,
  final_accuracy       REAL,
  final_loss           REAL,
  best_metric_value    REAL,
  mlflow_run_id        TEXT,
  artifact_uri         TEXT,
  duration_ms          INTEGER,
  rank                 INTEGER,
  warnings             TEXT,
  candidate_id         TEXT,
  pulse_id             TEXT,
  bridge_payload       TEXT,
  started_at           INTEGER,
  completed_at         INTEGER,
  inserted_at          INTEGER NOT NULL,
  updated_at           INTEGER NOT NULL
);

CREATE INDEX model_trials_model_run ON model_trials (model_run_id);

-- A point's identity is MLflow's own primary key of a metric row, so a replay is absorbed here as
-- it is there. The order of the columns also answers "the latest point of a key" from the index.
CREATE TABLE trial_points (
  seq       INTEGER PRIMARY KEY AUTOINCREMENT,
  trial_id  TEXT NOT NULL REFERENCES model_trials (id) ON DELETE CASCADE,
  key       TEXT NOT NULL,
  value     REAL NOT NULL,
  is_nan    INTEGER NOT NULL,
  step      INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  remote    INTEGER NOT NULL,
  UNIQUE (trial_id, key, step, timestamp, value, is_nan)
);

CREATE INDEX trial_points_outbox ON trial_points (trial_id, seq) WHERE remote = 0;

CREATE TABLE mlflow_experiments (
  id                   TEXT PRIMARY KEY NOT NULL,
  mlflow_experiment_id TEXT NOT NULL UNIQUE,
  name                 TEXT,
  artifact_location    TEXT,
  lifecycle_stage      TEXT,
  tags                 TEXT,
  model_run_id         TEXT,
  synced_at            INTEGER,
  inserted_at          INTEGER NOT NULL,
  updated_at           INTEGER NOT NULL
);

CREATE INDEX mlflow_experiments_name ON mlflow_experiments (name);

-- No foreign key to model_trials: a host application may keep its trials elsewhere.
CREATE TABLE mlflow_runs (
  id                   TEXT PRIMARY KEY NOT NULL,
  mlflow_run_id        TEXT UNIQUE,
  mlflow_experiment_id TEXT,
  run_name             TEXT,
  status               TEXT,
  start_time           INTEGER,
  end_time             INTEGER,
  artifact_uri         TEXT,
  lifecycle_stage      TEXT,
  params               TEXT,
  metrics              TEXT,
  tags                 TEXT,
  model_trial_id       TEXT UNIQUE,
  model_run_id         TEXT,
  base                 TEXT,
  points_seq           INTEGER,
  claimed_by           TEXT,
  claimed_until        INTEGER,
  sync_error           TEXT,
  synced_at            INTEGER,
  inserted_at          INTEGER NOT NULL,
  updated_at           INTEGER NOT NULL
);

CREATE INDEX mlflow_runs_experiment ON mlflow_runs (mlflow_experiment_id);

CREATE TABLE jobs (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  instance     TEXT NOT NULL,
  action       TEXT NOT NULL,
  args         TEXT NOT NULL,
  unique_key   TEXT,
  lock_key     TEXT,
  state        TEXT NOT NULL CHECK (state IN (
    'scheduled', 'available', 'executing', 'retryable', 'completed', 'cancelled', 'discarded'
  )),
  priority     INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 9),
  attempt      INTEGER NOT NULL,
  max_attempts INTEGER NOT NULL,
  errors       TEXT NOT NULL,
  result       TEXT,
  scheduled_at INTEGER NOT NULL,
  inserted_at  INTEGER NOT NULL,
  attempted_at INTEGER,
  attempted_by TEXT,
  lease_until  INTEGER,
  finished_at  INTEGER
);

-- Waiting jobs in the order they are fetched: one seek per priority finds what is due, however
-- many jobs are finished or scheduled for later.
CREATE INDEX jobs_waiting ON jobs (instance, priority, scheduled_at, id)
  WHERE state IN ('scheduled', 'available', 'retryable');

CREATE UNIQUE INDEX jobs_unique ON jobs (instance, unique_key)
  WHERE state IN ('scheduled', 'available', 'retryable');

CREATE INDEX jobs_state ON jobs (instance, state, id);

CREATE INDEX jobs_executing ON jobs (attempted_by) WHERE state = 'executing';

CREATE INDEX jobs_finished ON jobs (instance, finished_at) WHERE finished_at IS NOT NULL;
