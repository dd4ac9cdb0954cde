//! Metrics of logged models, which are logged with a run's.

use rusqlite::Connection;

use super::super::entities::Metric;
use super::super::error::{Code, Refusal, Result};
use super::Point;

/// A metric that tells of a model too, and maybe of the dataset it was measured on.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelMetric {
    pub metric: Metric,
    pub model_id: String,
    pub dataset_name: Option<String>,
    pub dataset_digest: Option<String>,
}

/// Adds it, unless it is there already.
pub fn log(conn: &Connection, run_id: &str, of_model: &ModelMetric) -> Result<()> {
    let model_id = &of_model.model_id;
    let sql = "SELECT 1 FROM logged_models WHERE model_id = ?1";
    if !conn.prepare_cached(sql)?.exists([model_id])? {
        let message = format!("FOREIGN KEY constraint failed: there is no model {model_id}");
        return Err(Refusal::new(Code::BadRequest, message));
    }
    let Metric {
        key,
        value,
        timestamp,
        step,
    } = &of_model.metric;
    let point = Point::new(*value, *timestamp, *step);
    let sql = "INSERT OR IGNORE INTO logged_model_metrics \
               (model_id, key, timestamp, step, value, is_nan, run_id, dataset_name, dataset_digest) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    conn.prepare_cached(sql)?.execute((
        model_id,
        key,
        point.timestamp,
        point.step,
        point.value,
        point.is_nan,
        run_id,
        &of_model.dataset_name,
        &of_model.dataset_digest,
    ))?;
    Ok(())
}
