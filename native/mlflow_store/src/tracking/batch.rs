//! Many metrics, params and tags of a run at once: all of them are written, or none.

use rusqlite::Connection;

use super::entities::KeyValue;
use super::error::Result;
use super::metrics::{self, ModelMetric, Points};
use super::runs::{self, params, tags};

/// What was asked for, checked already.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    pub run_id: String,
    pub points: Points,
    pub params: Vec<KeyValue>,
    pub tags: Vec<KeyValue>,
    /// Those of the points that tell of models too.
    pub model_metrics: Vec<ModelMetric>,
}

/// Answers the number of the run's experiment.
pub fn log(conn: &Connection, batch: &Batch) -> Result<i64> {
    let row = runs::find_active(conn, &batch.run_id)?;
    params::log_many(conn, row.run_no, &batch.run_id, &batch.params)?;
    if !batch.points.is_empty() {
        metrics::append(conn, row.run_no, &batch.points)?;
    }
    for of_model in &batch.model_metrics {
        metrics::models::log(conn, &batch.run_id, of_model)?;
    }
    for tag in &batch.tags {
        tags::write(conn, row.run_no, tag)?;
    }
    Ok(row.experiment_id)
}
