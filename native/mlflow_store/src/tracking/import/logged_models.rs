//! Writes logged models.

use rusqlite::Connection;

use super::batches;
use super::records::{LoggedModelRecord, Source};
use super::{Progress, Summary};
use crate::error::Result;

pub fn import(
    conn: &Connection,
    source: &impl Source,
    summary: &mut Summary,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let models = source.logged_models()?;
    batches::each(conn, "logged_models", &models, progress, |model| {
        let model = source.logged_model(model)?;
        let is_new = !conn
            .prepare_cached("SELECT 1 FROM logged_models WHERE model_id = ?1")?
            .exists([&model.model_id])?;
        if is_new {
            insert(conn, &model)?;
        }
        summary.logged_models.add(is_new);
        let held = model.metrics.len() + model.params.len() + model.tags.len();
        Ok(1 + held as u64)
    })
}

fn insert(conn: &Connection, model: &LoggedModelRecord) -> Result<()> {
    let sql = "INSERT INTO logged_models (model_id, experiment_id, name, artifact_location, \
               creation_timestamp_ms, last_updated_timestamp_ms, status, status_message, \
               lifecycle_stage, model_type, source_run_id) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    conn.prepare_cached(sql)?.execute((
        &model.model_id,
        model.experiment_id,
        &model.name,
        &model.artifact_location,
        model.creation_time,
        model.last_updated_time,
        model.status,
        &model.status_message,
        &model.lifecycle_stage,
        &model.model_type,
        &model.source_run_id,
    ))?;
    let mut insert = conn.prepare_cached("INSERT INTO logged_model_params VALUES (?1, ?2, ?3)")?;
    for param in &model.params {
        insert.execute((&model.model_id, &param.key, &param.value))?;
    }
    let mut insert = conn.prepare_cached("INSERT INTO logged_model_tags VALUES (?1, ?2, ?3)")?;
    for tag in &model.tags {
        insert.execute((&model.model_id, &tag.key, &tag.value))?;
    }
    put_metrics(conn, model)
}

fn put_metrics(conn: &Connection, model: &LoggedModelRecord) -> Result<()> {
    let sql = "INSERT OR IGNORE INTO logged_model_metrics (model_id, key, timestamp, step, value, \
               is_nan, run_id, dataset_name, dataset_digest) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let mut insert = conn.prepare_cached(sql)?;
    for held in &model.metrics {
        let metric = &held.metric;
        let is_nan = metric.value.is_nan();
        let value = if is_nan { 0.0 } else { metric.value };
        insert.execute((
            &model.model_id,
            &metric.key,
            metric.timestamp,
            metric.step,
            value.clamp(f64::MIN, f64::MAX),
            is_nan,
            &held.run_id,
            &held.dataset_name,
            &held.dataset_digest,
        ))?;
    }
    Ok(())
}
