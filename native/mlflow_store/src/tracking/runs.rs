//! Runs.

mod read;

pub mod inputs;
pub mod params;
pub mod tags;

use rusqlite::{Connection, OptionalExtension};

use super::entities::{KeyValue, Run, RunInfo};
use super::error::{Code, Refusal, Result};
use super::{experiments, uris};

pub(crate) use read::key_value;
pub use read::{read, read_many};

/// The tag that repeats the run's name.
pub const NAME_TAG: &str = "mlflow.runName";

pub struct NewRun {
    pub run_id: String,
    pub experiment_id: i64,
    /// Empty: what the tag "mlflow.runName" says, or else `generated_name`.
    pub name: String,
    pub generated_name: String,
    pub user_id: String,
    pub start_time: i64,
    pub tags: Vec<KeyValue>,
}

/// What is left out stays as it is.
#[derive(Default)]
pub struct Update {
    pub status: Option<String>,
    pub end_time: Option<i64>,
    pub name: Option<String>,
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
    let name = new.chosen_name()?;
    let below = format!("{}/artifacts", new.run_id);

    let sql = "INSERT INTO runs \
               (run_id, experiment_id, name, user_id, status, start_time, lifecycle_stage, artifact_uri) \
               VALUES (?1, ?2, ?3, ?4, 'RUNNING', ?5, 'active', ?6)";
    conn.prepare_cached(sql)?.execute((
        &new.run_id,
        new.experiment_id,
        name,
        &new.user_id,
        new.start_time,
        uris::append(&experiment.artifact_location, &below),
    ))?;
    let run_no = conn.last_insert_rowid();
    for tag in &new.tags {
        tags::insert(conn, run_no, &tag.key, &tag.value)?;
    }
    if new.name_tag().is_empty() {
        tags::insert(conn, run_no, NAME_TAG, name)?;
    }
    let mut run = read(conn, run_no)?;
    run.outputs = None;
    Ok(run)
}

impl NewRun {
    fn name_tag(&self) -> &str {
        let found = self.tags.iter().find(|tag| tag.key == NAME_TAG);
        found.map_or("", |tag| &tag.value)
    }

    fn chosen_name(&self) -> Result<&str> {
        match (self.name.as_str(), self.name_tag()) {
            ("", "") => Ok(&self.generated_name),
            (name, "") | ("", name) => Ok(name),
            (name, tag) if name == tag => Ok(name),
            (name, tag) => Err(Refusal::invalid(format!(
                "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with \
                 different values (run_name='{name}', mlflow.runName='{tag}')."
            ))),
        }
    }
}

/// Whatever its lifecycle stage.
pub fn get(conn: &Connection, run_id: &str) -> Result<Run> {
    read(conn, find(conn, run_id)?.run_no)
}

/// Answers what the run is then, and the number of its experiment.
pub fn update(conn: &Connection, run_id: &str, update: &Update) -> Result<(RunInfo, i64)> {
    let row = find_active(conn, run_id)?;
    let name = update.name.as_deref().filter(|name| !name.is_empty());
    let sql = "UPDATE runs SET status = coalesce(?2, status), end_time = coalesce(?3, end_time), \
               name = coalesce(?4, name) WHERE run_no = ?1";
    conn.prepare_cached(sql)?
        .execute((row.run_no, &update.status, update.end_time, name))?;
    if let Some(name) = name {
        tags::put(conn, row.run_no, NAME_TAG, name)?;
    }
    Ok((read::info(conn, row.run_no)?, row.experiment_id))
}

/// Answers the number of its experiment. To delete a run twice is no mistake.
pub fn delete(conn: &Connection, run_id: &str, now: i64) -> Result<i64> {
    change_stage(conn, run_id, "deleted", Some(now))
}

pub fn restore(conn: &Connection, run_id: &str) -> Result<i64> {
    change_stage(conn, run_id, "active", None)
}

fn change_stage(
    conn: &Connection,
    run_id: &str,
    stage: &str,
    deleted_time: Option<i64>,
) -> Result<i64> {
    let row = find(conn, run_id)?;
    let sql = "UPDATE runs SET lifecycle_stage = ?2, deleted_time = ?3 WHERE run_no = ?1";
    conn.prepare_cached(sql)?
        .execute((row.run_no, stage, deleted_time))?;
    Ok(row.experiment_id)
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

/// What MLflow's database says of a row that is there already.
fn twice(columns: &str) -> Refusal {
    let message = format!("UNIQUE constraint failed: {columns}");
    Refusal::new(Code::BadRequest, message)
}
