//! Writes runs, each with all it holds.

use rusqlite::Connection;

use super::batches;
use super::records::{RunRecord, Source};
use super::{Progress, Summary};
use crate::error::{Result, StoreError};
use crate::tracking::entities::KeyValue;
use crate::tracking::runs::inputs;
use crate::tracking::{Refusal, metrics};

pub fn import(
    conn: &Connection,
    source: &impl Source,
    summary: &mut Summary,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let runs = source.runs()?;
    batches::each(conn, "runs", &runs, progress, |run| {
        let run_id = source.run_id(run);
        let is_new = !conn
            .prepare_cached("SELECT 1 FROM runs WHERE run_id = ?1")?
            .exists([run_id])?;
        summary.runs.add(is_new);
        if !is_new {
            return Ok(1);
        }
        let record = source.run(run)?;
        insert(conn, &record).map_err(|error| error.of_run(run_id))?;
        summary.metric_points += record.metrics.len() as u64;
        let held = record.metrics.len() + record.params.len() + record.tags.len();
        Ok(1 + held as u64)
    })
}

impl StoreError {
    fn of_run(self, run_id: &str) -> Self {
        Self {
            message: format!("run {run_id}: {}", self.message),
            ..self
        }
    }
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        Self::invalid(refusal.message)
    }
}

fn insert(conn: &Connection, run: &RunRecord) -> Result<()> {
    let sql = "INSERT INTO runs (run_id, experiment_id, name, user_id, status, start_time, \
               end_time, deleted_time, lifecycle_stage, artifact_uri) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    conn.prepare_cached(sql)?.execute((
        &run.run_id,
        run.experiment_id,
        &run.name,
        &run.user_id,
        &run.status,
        run.start_time,
        run.end_time,
        run.deleted_time,
        &run.lifecycle_stage,
        &run.artifact_uri,
    ))?;
    let run_no = conn.last_insert_rowid();
    put_pairs(
        conn,
        "INSERT INTO params VALUES (?1, ?2, ?3)",
        run_no,
        &run.params,
    )?;
    put_pairs(
        conn,
        "INSERT INTO tags VALUES (?1, ?2, ?3)",
        run_no,
        &run.tags,
    )?;
    metrics::append(conn, run_no, &run.metrics.iter().collect())?;
    for (dataset, tags) in &run.datasets {
        let dataset_no = inputs::dataset_no(conn, run.experiment_id, dataset)?;
        put_dataset_input(conn, run_no, dataset_no, tags)?;
    }
    let mut insert = conn.prepare_cached("INSERT INTO model_inputs VALUES (?1, ?2)")?;
    for model_id in &run.model_inputs {
        insert.execute((run_no, model_id))?;
    }
    let mut insert = conn.prepare_cached("INSERT INTO model_outputs VALUES (?1, ?2, ?3)")?;
    for (model_id, step) in &run.model_outputs {
        insert.execute((run_no, model_id, step))?;
    }
    Ok(())
}

fn put_pairs(conn: &Connection, sql: &str, run_no: i64, pairs: &[KeyValue]) -> Result<()> {
    let mut insert = conn.prepare_cached(sql)?;
    for pair in pairs {
        insert.execute((run_no, &pair.key, &pair.value))?;
    }
    Ok(())
}

fn put_dataset_input(
    conn: &Connection,
    run_no: i64,
    dataset_no: i64,
    tags: &[KeyValue],
) -> Result<()> {
    conn.prepare_cached("INSERT INTO dataset_inputs VALUES (?1, ?2)")?
        .execute((run_no, dataset_no))?;
    let sql = "INSERT INTO dataset_input_tags VALUES (?1, ?2, ?3, ?4)";
    let mut insert = conn.prepare_cached(sql)?;
    for tag in tags {
        insert.execute((run_no, dataset_no, &tag.key, &tag.value))?;
    }
    Ok(())
}
