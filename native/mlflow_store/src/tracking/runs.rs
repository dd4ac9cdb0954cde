//! Runs.

mod read;

use rusqlite::{Connection, OptionalExtension};

use super::entities::{KeyValue, Run};
use super::error::{Refusal, Result};
use super::experiments;

pub(crate) use read::key_value;
pub use read::{read, read_many};

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
    let mut run = read(conn, run_no)?;
    run.outputs = None;
    Ok(run)
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

pub(crate) fn put_tag(conn: &Connection, run_no: i64, tag: &KeyValue) -> Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO tags VALUES (?1, ?2, ?3)")?
        .execute((run_no, &tag.key, &tag.value))?;
    Ok(())
}
