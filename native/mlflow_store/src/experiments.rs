//! What is known of MLflow's experiments.

use rusqlite::Connection;

use crate::error::Result;
use crate::record::{self, Record};
use crate::tables::MLFLOW_EXPERIMENTS;

/// Updates the experiment with this `mlflow_experiment_id`, or adds it.
pub fn put(conn: &Connection, experiment: Record, now: i64) -> Result<Record> {
    record::upsert(
        conn,
        &MLFLOW_EXPERIMENTS,
        "mlflow_experiment_id",
        experiment,
        now,
    )
}

/// By `id`, or else by `mlflow_experiment_id`, or else by name.
pub fn find(conn: &Connection, experiment: &str) -> Result<Option<Record>> {
    for column in ["id", "mlflow_experiment_id", "name"] {
        let found = record::get(conn, &MLFLOW_EXPERIMENTS, column, experiment)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
