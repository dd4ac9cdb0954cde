//! A database as MLflow's migrations leave it, as far as it is imported.

use std::path::{Path, PathBuf};

use mlflow_store::Connection;
use tempfile::TempDir;

/// Of MLflow 2.9 and of everything since.
const OLD: &str = "
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);
CREATE TABLE experiments (experiment_id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(256) NOT NULL,
  artifact_location VARCHAR(256), lifecycle_stage VARCHAR(32), creation_time BIGINT,
  last_update_time BIGINT);
CREATE TABLE experiment_tags (key VARCHAR(250) NOT NULL, value VARCHAR(5000),
  experiment_id INTEGER NOT NULL);
CREATE TABLE runs (run_uuid VARCHAR(32) NOT NULL PRIMARY KEY, name VARCHAR(250),
  source_type VARCHAR(20), user_id VARCHAR(256), status VARCHAR(9), start_time BIGINT,
  end_time BIGINT, lifecycle_stage VARCHAR(20), artifact_uri VARCHAR(200),
  experiment_id INTEGER, deleted_time BIGINT);
CREATE TABLE params (key VARCHAR(250) NOT NULL, value VARCHAR(8000) NOT NULL,
  run_uuid VARCHAR(32) NOT NULL);
CREATE TABLE tags (key VARCHAR(250) NOT NULL, value VARCHAR(5000), run_uuid VARCHAR(32) NOT NULL);
CREATE TABLE metrics (key VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT NOT NULL,
  run_uuid VARCHAR(32) NOT NULL, step BIGINT DEFAULT '0' NOT NULL,
  is_nan BOOLEAN DEFAULT '0' NOT NULL);
CREATE TABLE latest_metrics (key VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT,
  step BIGINT NOT NULL, is_nan BOOLEAN NOT NULL, run_uuid VARCHAR(32) NOT NULL);
CREATE TABLE datasets (dataset_uuid VARCHAR(36) NOT NULL, experiment_id INTEGER NOT NULL,
  name VARCHAR(500) NOT NULL, digest VARCHAR(36) NOT NULL,
  dataset_source_type VARCHAR(36) NOT NULL, dataset_source TEXT NOT NULL, dataset_schema TEXT,
  dataset_profile TEXT);
CREATE TABLE inputs (input_uuid VARCHAR(36) NOT NULL, source_type VARCHAR(36) NOT NULL,
  source_id VARCHAR(36) NOT NULL, destination_type VARCHAR(36) NOT NULL,
  destination_id VARCHAR(36) NOT NULL);
CREATE TABLE input_tags (input_uuid VARCHAR(36) NOT NULL, name VARCHAR(255) NOT NULL,
  value VARCHAR(500) NOT NULL);
CREATE TABLE registered_models (name VARCHAR(256) NOT NULL, creation_time BIGINT,
  last_updated_time BIGINT, description VARCHAR(5000));
CREATE TABLE registered_model_tags (key VARCHAR(250) NOT NULL, value VARCHAR(5000),
  name VARCHAR(256) NOT NULL);
CREATE TABLE registered_model_aliases (alias VARCHAR(256) NOT NULL, version INTEGER NOT NULL,
  name VARCHAR(256) NOT NULL);
CREATE TABLE model_versions (name VARCHAR(256) NOT NULL, version INTEGER NOT NULL,
  creation_time BIGINT, last_updated_time BIGINT, description VARCHAR(5000),
  user_id VARCHAR(256), current_stage VARCHAR(20), source VARCHAR(500), run_id VARCHAR(32),
  status VARCHAR(20), status_message VARCHAR(500), run_link VARCHAR(500),
  storage_location VARCHAR(500));
CREATE TABLE model_version_tags (key VARCHAR(250) NOT NULL, value VARCHAR(5000),
  name VARCHAR(256) NOT NULL, version INTEGER NOT NULL);
";

/// What MLflow 3.17.2 has more.
const NEW: &str = "
ALTER TABLE experiments ADD COLUMN workspace VARCHAR(63) DEFAULT 'default' NOT NULL;
ALTER TABLE registered_models ADD COLUMN workspace VARCHAR(63) DEFAULT 'default' NOT NULL;
ALTER TABLE inputs ADD COLUMN step BIGINT DEFAULT '0' NOT NULL;
CREATE TABLE logged_models (model_id VARCHAR(36) NOT NULL, experiment_id INTEGER NOT NULL,
  name VARCHAR(500) NOT NULL, artifact_location VARCHAR(1000) NOT NULL,
  creation_timestamp_ms BIGINT NOT NULL, last_updated_timestamp_ms BIGINT NOT NULL,
  status INTEGER NOT NULL, lifecycle_stage VARCHAR(32), model_type VARCHAR(500),
  source_run_id VARCHAR(32), status_message VARCHAR(1000));
CREATE TABLE logged_model_params (model_id VARCHAR(36), experiment_id INTEGER,
  param_key VARCHAR(255), param_value TEXT);
CREATE TABLE logged_model_tags (model_id VARCHAR(36), experiment_id INTEGER,
  tag_key VARCHAR(255), tag_value TEXT);
CREATE TABLE logged_model_metrics (model_id VARCHAR(36), metric_name VARCHAR(500),
  metric_timestamp_ms BIGINT, metric_step BIGINT, metric_value FLOAT, experiment_id INTEGER,
  run_id VARCHAR(32), dataset_uuid VARCHAR(36), dataset_name VARCHAR(500),
  dataset_digest VARCHAR(36));
CREATE TABLE trace_info (request_id VARCHAR(50));
";

const ROWS: &str = "
INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time,
  last_update_time) VALUES (0, 'Default', 'mlflow-artifacts:/0', 'active', 1000, 1001),
  (7, 'gone', 's3://b/7', 'deleted', 2000, 2001);
INSERT INTO experiment_tags VALUES ('team', 'a', 7);
INSERT INTO runs VALUES
  ('r1', 'one', 'UNKNOWN', 'ada', 'FINISHED', 10, 20, 'active', 's3://b/r1', 7, NULL),
  ('r2', NULL, 'LOCAL', NULL, 'RUNNING', NULL, NULL, 'deleted', NULL, 0, 30);
INSERT INTO params VALUES ('lr', '0.1', 'r1'), ('a/b', '', 'r1');
INSERT INTO tags VALUES ('t', NULL, 'r1'), ('mlflow.runName', 'from tags', 'r2');
INSERT INTO metrics VALUES ('acc', 0.5, 100, 'r1', 0, 0), ('acc', 0.75, 200, 'r1', 1, 0),
  ('nan', 0.0, 5, 'r1', -3, 1), ('inf', 1.7976931348623157e308, 5, 'r1', 0, 0);
INSERT INTO latest_metrics VALUES ('acc', 0.75, 200, 1, 0, 'r1'), ('nan', 0.0, 5, -3, 1, 'r1'),
  ('inf', 1.7976931348623157e308, 5, 0, 0, 'r1'), ('thin', 4.0, NULL, 9, 0, 'r1');
INSERT INTO datasets VALUES ('d', 7, 'ds', 'g', 'local', '{}', 'schema', NULL);
INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id)
  VALUES ('i', 'DATASET', 'd', 'RUN', 'r1');
INSERT INTO input_tags VALUES ('i', 'mlflow.data.context', 'train');
INSERT INTO registered_models (name, creation_time, last_updated_time, description)
  VALUES ('m', 40, 50, 'about');
INSERT INTO registered_model_tags VALUES ('k', 'v', 'm');
INSERT INTO registered_model_aliases VALUES ('best', 2, 'm');
INSERT INTO model_versions VALUES
  ('m', 1, 41, 42, NULL, NULL, 'Production', 's3://b/1', NULL, 'READY', NULL, NULL, NULL),
  ('m', 2, 43, 44, 'd', 'ada', 'None', 's3://b/2', 'r1', 'FAILED_REGISTRATION', 'why', 'l', 's');
INSERT INTO model_version_tags VALUES ('q', 'w', 'm', 2);
";

const NEW_ROWS: &str = "
INSERT INTO logged_models VALUES
  ('m-1', 7, 'lm', 's3://b/m-1', 60, 61, 2, 'active', 'agent', 'r1', 'fine');
INSERT INTO logged_model_params VALUES ('m-1', 7, 'p', '1');
INSERT INTO logged_model_tags VALUES ('m-1', 7, 't', '2');
INSERT INTO logged_model_metrics VALUES ('m-1', 'acc', 5, 1, 0.5, 7, 'r1', 'd', 'ds', 'g');
INSERT INTO inputs VALUES ('j', 'RUN_INPUT', 'r1', 'MODEL_INPUT', 'm-0', 0),
  ('k', 'RUN_OUTPUT', 'r1', 'MODEL_OUTPUT', 'm-1', 4);
INSERT INTO trace_info VALUES ('t1'), ('t2');
";

pub struct SourceDatabase {
    folder: TempDir,
}

impl SourceDatabase {
    pub fn of_2_9() -> Self {
        let source = Self {
            folder: TempDir::new().unwrap(),
        };
        source.change(OLD);
        source.change(ROWS);
        source
    }

    pub fn of_3_17() -> Self {
        let source = Self::of_2_9();
        source.change(NEW);
        source.change(NEW_ROWS);
        source
    }

    pub fn change(&self, sql: &str) {
        let conn = Connection::open(self.path()).unwrap();
        conn.execute_batch(sql).unwrap();
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("mlflow.db")
    }
}

/// Writes a file, and the folders it is in.
pub fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}
