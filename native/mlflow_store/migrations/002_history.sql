-- One row per attempt of a sync, however it ended.
CREATE TABLE sync_attempts (
  id                   INTEGER PRIMARY KEY AUTOINCREMENT,
  instance             TEXT NOT NULL,
  action               TEXT NOT NULL,
  target               TEXT NOT NULL,
  direction            TEXT NOT NULL,
  result               TEXT NOT NULL,
  mlflow_run_id        TEXT,
  model_trial_id       TEXT,
  mlflow_experiment_id TEXT,
  pushed               INTEGER NOT NULL DEFAULT 0,
  pulled               INTEGER NOT NULL DEFAULT 0,
  conflicts            INTEGER NOT NULL,
  requests             INTEGER NOT NULL DEFAULT 0,
  writes               INTEGER NOT NULL DEFAULT 0,
  counts               TEXT,
  error                TEXT,
  started_at           INTEGER NOT NULL,
  duration_ms          INTEGER NOT NULL
);

CREATE INDEX sync_attempts_newest ON sync_attempts (instance, started_at, id);
CREATE INDEX sync_attempts_target ON sync_attempts (instance, target);
CREATE INDEX sync_attempts_trial ON sync_attempts (instance, model_trial_id)
  WHERE model_trial_id IS NOT NULL;
CREATE INDEX sync_attempts_run ON sync_attempts (instance, mlflow_run_id)
  WHERE mlflow_run_id IS NOT NULL;

CREATE TABLE sync_conflicts (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  attempt_id     INTEGER NOT NULL REFERENCES sync_attempts (id) ON DELETE CASCADE,
  instance       TEXT NOT NULL,
  mlflow_run_id  TEXT,
  model_trial_id TEXT,
  field          TEXT NOT NULL,
  key            TEXT,
  local          TEXT,
  remote         TEXT,
  winner         TEXT NOT NULL,
  at             INTEGER NOT NULL
);

CREATE INDEX sync_conflicts_attempt ON sync_conflicts (attempt_id);
CREATE INDEX sync_conflicts_newest ON sync_conflicts (instance, at, id);
CREATE INDEX sync_conflicts_trial ON sync_conflicts (instance, model_trial_id)
  WHERE model_trial_id IS NOT NULL;
CREATE INDEX sync_conflicts_run ON sync_conflicts (instance, mlflow_run_id)
  WHERE mlflow_run_id IS NOT NULL;

-- The metrics of runs that have no trial here; a point's identity is that of trial_points.
CREATE TABLE run_points (
  mlflow_run_id TEXT NOT NULL,
  key           TEXT NOT NULL,
  value         REAL NOT NULL,
  is_nan        INTEGER NOT NULL,
  step          INTEGER NOT NULL,
  timestamp     INTEGER NOT NULL,
  PRIMARY KEY (mlflow_run_id, key, step, timestamp, value, is_nan)
) WITHOUT ROWID;

-- What the whole run looked like when it was last in step, as one number.
ALTER TABLE mlflow_runs ADD COLUMN digest INTEGER;

-- Whether a run is in step is told from these alone: rows are long, and thousands are asked about.
CREATE INDEX mlflow_runs_in_step
  ON mlflow_runs (mlflow_run_id, digest, model_trial_id, synced_at, points_seq)
  WHERE sync_error IS NULL;

CREATE INDEX model_trials_version ON model_trials (id, updated_at);
