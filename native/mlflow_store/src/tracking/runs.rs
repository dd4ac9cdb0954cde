//! Runs, and what is read of them whole.

use rusqlite::{Connection, OptionalExtension, Row};

use super::entities::{KeyValue, Metric, Run, RunData, RunInfo, RunInputs, RunOutputs};
use super::error::{Refusal, Result};
use super::{experiments, metrics};

pub struct NewRun {
    pub run_id: String,
    pub experiment_id: i64,
    pub name: String,
    pub user_id: String,
    pub start_time: i64,
    pub tags: Vec<KeyValue>,
}

/// A run's number, and what decides whether it can be written to.
#[derive(Clone, Debug)]
pub struct RunRow {
    pub run_no: i64,
    pub experiment_id: i64,
    pub lifecycle_stage: String,
}

pub fn create(conn: &Connection, new: &NewRun) -> Result<Run> {
    let experiment = experiments::get(conn, new.experiment_id)?;
    experiments::check_active(&experiment)?;
    let folder = experiment.artifact_location.trim_end_matches('/');
    let artifact_uri = format!("{folder}/{}/artifacts", new.run_id);

    let sql = "INSERT INTO runs \
               (run_id, experiment_id, name, user_id, status, start_time, lifecycle_stage, artifact_uri) \
               VALUES (?1, ?2, ?3, ?4, 'RUNNING', ?5, 'active', ?6)";
    conn.prepare_cached(sql)?.execute((
        &new.run_id,
        new.experiment_id,
        &new.name,
        &new.user_id,
        new.start_time,
        artifact_uri,
    ))?;
    let run_no = conn.last_insert_rowid();
    for tag in &new.tags {
        put_tag(conn, run_no, tag)?;
    }
    read(conn, run_no)
}

/// Whatever its lifecycle stage.
pub fn get(conn: &Connection, run_id: &str) -> Result<Run> {
    read(conn, find(conn, run_id)?.run_no)
}

pub fn find(conn: &Connection, run_id: &str) -> Result<RunRow> {
    let sql = "SELECT run_no, experiment_id, lifecycle_stage FROM runs WHERE run_id = ?1";
    let found = conn
        .prepare_cached(sql)?
        .query_row([run_id], |row| {
            Ok(RunRow {
                run_no: row.get(0)?,
                experiment_id: row.get(1)?,
                lifecycle_stage: row.get(2)?,
            })
        })
        .optional()?;
    found.ok_or_else(|| Refusal::missing(format!("Run with id={run_id} not found")))
}

/// A run that may be written to.
pub fn find_active(conn: &Connection, run_id: &str) -> Result<RunRow> {
    let row = find(conn, run_id)?;
    if row.lifecycle_stage == "active" {
        return Ok(row);
    }
    Err(Refusal::invalid(format!(
        "The run {run_id} must be in the 'active' state. Current state is {}.",
        row.lifecycle_stage
    )))
}

/// The whole run: its info, latest metrics, params, tags, inputs and outputs.
pub fn read(conn: &Connection, run_no: i64) -> Result<Run> {
    Ok(Run {
        info: info(conn, run_no)?,
        data: RunData {
            metrics: latest_metrics(conn, run_no)?,
            params: pairs(
                conn,
                "SELECT key, value FROM params WHERE run_no = ?1",
                run_no,
            )?,
            tags: pairs(
                conn,
                "SELECT key, value FROM tags WHERE run_no = ?1",
                run_no,
            )?,
        },
        inputs: RunInputs::default(),
        outputs: RunOutputs::default(),
    })
}

pub(crate) fn put_tag(conn: &Connection, run_no: i64, tag: &KeyValue) -> Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO tags VALUES (?1, ?2, ?3)")?
        .execute((run_no, &tag.key, &tag.value))?;
    Ok(())
}

pub(crate) fn key_value(row: &Row) -> rusqlite::Result<KeyValue> {
    Ok(KeyValue {
        key: row.get(0)?,
        value: row.get(1)?,
    })
}

fn info(conn: &Connection, run_no: i64) -> Result<RunInfo> {
    let sql = "SELECT run_id, experiment_id, name, user_id, status, start_time, end_time, \
               artifact_uri, lifecycle_stage FROM runs WHERE run_no = ?1";
    Ok(conn.prepare_cached(sql)?.query_row([run_no], |row| {
        let run_id: String = row.get(0)?;
        Ok(RunInfo {
            run_uuid: run_id.clone(),
            experiment_id: row.get::<_, i64>(1)?.to_string(),
            run_name: row.get(2)?,
            user_id: row.get(3)?,
            status: row.get(4)?,
            start_time: row.get(5)?,
            end_time: row.get(6)?,
            artifact_uri: row.get(7)?,
            lifecycle_stage: row.get(8)?,
            run_id,
        })
    })?)
}

fn latest_metrics(conn: &Connection, run_no: i64) -> Result<Vec<Metric>> {
    let sql = "SELECT key, value, timestamp, step, is_nan \
               FROM latest_metrics JOIN metric_keys USING (key_no) WHERE run_no = ?1";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([run_no], metrics::load)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn pairs(conn: &Connection, sql: &str, run_no: i64) -> Result<Vec<KeyValue>> {
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([run_no], key_value)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
