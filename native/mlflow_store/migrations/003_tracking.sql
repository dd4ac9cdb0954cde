-- What the tracking server keeps. Names are those of MLflow's own schema; where it joins by long
-- texts, small numbers stand in (run_no, key_no, dataset_no), which is what keeps points small.
-- A metric value that is no number is 0 with is_nan set, as in MLflow.

CREATE TABLE experiments (
  experiment_id     INTEGER PRIMARY KEY AUTOINCREMENT,
  name              TEXT NOT NULL UNIQUE,
  artifact_location TEXT,
  lifecycle_stage   TEXT NOT NULL,
  creation_time     INTEGER NOT NULL,
  last_update_time  INTEGER NOT NULL
);

CREATE INDEX experiments_newest ON experiments (creation_time, experiment_id);

CREATE TABLE experiment_tags (
  experiment_id INTEGER NOT NULL REFERENCES experiments (experiment_id) ON DELETE CASCADE,
  key           TEXT NOT NULL,
  value         TEXT NOT NULL,
  PRIMARY KEY (experiment_id, key)
) WITHOUT ROWID;

CREATE TABLE runs (
  run_no          INTEGER PRIMARY KEY,
  run_id          TEXT NOT NULL UNIQUE,
  experiment_id   INTEGER NOT NULL REFERENCES experiments (experiment_id) ON DELETE CASCADE,
  name            TEXT NOT NULL,
  user_id         TEXT NOT NULL,
  status          TEXT NOT NULL,
  start_time      INTEGER,
  end_time        INTEGER,
  deleted_time    INTEGER,
  lifecycle_stage TEXT NOT NULL,
  artifact_uri    TEXT NOT NULL
);

-- The order that searches have unless they ask for another.
CREATE INDEX runs_newest ON runs (experiment_id, lifecycle_stage, start_time DESC, run_id);

CREATE TABLE params (
  run_no INTEGER NOT NULL REFERENCES runs (run_no) ON DELETE CASCADE,
  key    TEXT NOT NULL,
  value  TEXT NOT NULL,
  PRIMARY KEY (run_no, key)
) WITHOUT ROWID;

CREATE TABLE tags (
  run_no INTEGER NOT NULL REFERENCES runs (run_no) ON DELETE CASCADE,
  key    TEXT NOT NULL,
  value  TEXT NOT NULL,
  PRIMARY KEY (run_no, key)
) WITHOUT ROWID;

-- Values may be thousands of characters, and their beginnings tell most of them apart.
CREATE INDEX params_by_value ON params (key, substr(value, 1, 64), run_no);
CREATE INDEX tags_by_value ON tags (key, substr(value, 1, 64), run_no);

CREATE TABLE metric_keys (
  key_no INTEGER PRIMARY KEY,
  key    TEXT NOT NULL UNIQUE
);

-- In the order in which a history is read; the key absorbs replays. To look the run up for every
-- point would take a tenth of the time to write it, so whoever deletes a run deletes its points.
CREATE TABLE metrics (
  run_no    INTEGER NOT NULL,
  key_no    INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  step      INTEGER NOT NULL,
  value     REAL NOT NULL,
  is_nan    INTEGER NOT NULL,
  PRIMARY KEY (run_no, key_no, timestamp, step, value, is_nan)
) WITHOUT ROWID;

-- Points of many keys at once, as they arrived: in their places above, each would change a page of
-- its own. They are moved there many at a time; until then, a history is what both tables hold.
CREATE TABLE unsorted_metrics (
  run_no    INTEGER NOT NULL,
  key_no    INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  step      INTEGER NOT NULL,
  value     REAL NOT NULL,
  is_nan    INTEGER NOT NULL
);

CREATE TABLE latest_metrics (
  run_no    INTEGER NOT NULL,
  key_no    INTEGER NOT NULL,
  value     REAL NOT NULL,
  timestamp INTEGER NOT NULL,
  step      INTEGER NOT NULL,
  is_nan    INTEGER NOT NULL,
  PRIMARY KEY (run_no, key_no)
) WITHOUT ROWID;

CREATE INDEX latest_metrics_by_value ON latest_metrics (key_no, is_nan, value, run_no);

CREATE TABLE datasets (
  dataset_no    INTEGER PRIMARY KEY,
  experiment_id INTEGER NOT NULL REFERENCES experiments (experiment_id) ON DELETE CASCADE,
  name          TEXT NOT NULL,
  digest        TEXT NOT NULL,
  source_type   TEXT NOT NULL,
  source        TEXT NOT NULL,
  schema        TEXT,
  profile       TEXT,
  UNIQUE (experiment_id, name, digest)
);

CREATE TABLE dataset_inputs (
  run_no     INTEGER NOT NULL REFERENCES runs (run_no) ON DELETE CASCADE,
  dataset_no INTEGER NOT NULL REFERENCES datasets (dataset_no) ON DELETE CASCADE,
  PRIMARY KEY (run_no, dataset_no)
) WITHOUT ROWID;

CREATE INDEX dataset_inputs_by_dataset ON dataset_inputs (dataset_no, run_no);

CREATE TABLE dataset_input_tags (
  run_no     INTEGER NOT NULL,
  dataset_no INTEGER NOT NULL,
  key        TEXT NOT NULL,
  value      TEXT NOT NULL,
  PRIMARY KEY (run_no, dataset_no, key),
  FOREIGN KEY (run_no, dataset_no) REFERENCES dataset_inputs ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TABLE model_inputs (
  run_no   INTEGER NOT NULL REFERENCES runs (run_no) ON DELETE CASCADE,
  model_id TEXT NOT NULL,
  PRIMARY KEY (run_no, model_id)
) WITHOUT ROWID;

CREATE TABLE model_outputs (
  run_no   INTEGER NOT NULL REFERENCES runs (run_no) ON DELETE CASCADE,
  model_id TEXT NOT NULL,
  step     INTEGER NOT NULL,
  PRIMARY KEY (run_no, model_id)
) WITHOUT ROWID;

CREATE TABLE logged_models (
  model_id                  TEXT PRIMARY KEY NOT NULL,
  experiment_id             INTEGER NOT NULL REFERENCES experiments (experiment_id) ON DELETE CASCADE,
  name                      TEXT NOT NULL,
  artifact_location         TEXT NOT NULL,
  creation_timestamp_ms     INTEGER NOT NULL,
  last_updated_timestamp_ms INTEGER NOT NULL,
  status                    INTEGER NOT NULL,
  status_message            TEXT,
  lifecycle_stage           TEXT NOT NULL,
  model_type                TEXT,
  source_run_id             TEXT
);

CREATE INDEX logged_models_newest
  ON logged_models (experiment_id, lifecycle_stage, creation_timestamp_ms DESC);

CREATE TABLE logged_model_params (
  model_id TEXT NOT NULL REFERENCES logged_models (model_id) ON DELETE CASCADE,
  key      TEXT NOT NULL,
  value    TEXT NOT NULL,
  PRIMARY KEY (model_id, key)
) WITHOUT ROWID;

CREATE TABLE logged_model_tags (
  model_id TEXT NOT NULL REFERENCES logged_models (model_id) ON DELETE CASCADE,
  key      TEXT NOT NULL,
  value    TEXT NOT NULL,
  PRIMARY KEY (model_id, key)
) WITHOUT ROWID;

-- Shown in the order in which they came, as the registry's tags are.
CREATE TABLE logged_model_metrics (
  model_id       TEXT NOT NULL REFERENCES logged_models (model_id) ON DELETE CASCADE,
  key            TEXT NOT NULL,
  timestamp      INTEGER NOT NULL,
  step           INTEGER NOT NULL,
  value          REAL NOT NULL,
  is_nan         INTEGER NOT NULL,
  run_id         TEXT NOT NULL,
  dataset_name   TEXT,
  dataset_digest TEXT,
  PRIMARY KEY (model_id, key, timestamp, step, run_id)
);

CREATE TABLE registered_models (
  name              TEXT PRIMARY KEY NOT NULL,
  creation_time     INTEGER NOT NULL,
  last_updated_time INTEGER NOT NULL,
  description       TEXT
);

CREATE TABLE registered_model_tags (
  name  TEXT NOT NULL REFERENCES registered_models (name) ON UPDATE CASCADE ON DELETE CASCADE,
  key   TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (name, key)
);

CREATE TABLE registered_model_aliases (
  name    TEXT NOT NULL REFERENCES registered_models (name) ON UPDATE CASCADE ON DELETE CASCADE,
  alias   TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (name, alias)
) WITHOUT ROWID;

CREATE TABLE model_versions (
  name              TEXT NOT NULL REFERENCES registered_models (name) ON UPDATE CASCADE ON DELETE CASCADE,
  version           INTEGER NOT NULL,
  creation_time     INTEGER NOT NULL,
  last_updated_time INTEGER NOT NULL,
  description       TEXT,
  user_id           TEXT,
  current_stage     TEXT NOT NULL,
  source            TEXT,
  storage_location  TEXT,
  run_id            TEXT,
  run_link          TEXT,
  model_id          TEXT,
  status            TEXT NOT NULL,
  status_message    TEXT,
  PRIMARY KEY (name, version)
);

CREATE TABLE model_version_tags (
  name    TEXT NOT NULL,
  version INTEGER NOT NULL,
  key     TEXT NOT NULL,
  value   TEXT NOT NULL,
  PRIMARY KEY (name, version, key),
  FOREIGN KEY (name, version) REFERENCES model_versions (name, version)
    ON UPDATE CASCADE ON DELETE CASCADE
);
