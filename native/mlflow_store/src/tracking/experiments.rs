//! Experiments. The one with the id 0, "Default", is always there.

pub mod tags;

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Row};

use super::entities::{Experiment, KeyValue};
use super::error::{Code, Refusal, Result};
use super::{uris, validate};

pub const DEFAULT_ID: i64 = 0;
const ACTIVE: &str = "active";
const DELETED: &str = "deleted";
const COLUMNS: &str =
    "experiment_id, name, artifact_location, lifecycle_stage, last_update_time, creation_time";

pub struct NewExperiment {
    pub name: String,
    /// Empty: a folder under `artifact_root`.
    pub artifact_location: String,
    pub tags: Vec<KeyValue>,
}

/// Creates the experiment "Default" where there is none yet, as MLflow does at its first start.
pub fn ensure_default(conn: &Connection, artifact_root: &str, now: i64) -> Result<()> {
    let sql = "INSERT INTO experiments VALUES (?1, 'Default', ?2, 'active', ?3, ?3) \
               ON CONFLICT DO NOTHING";
    let location = default_location(artifact_root, DEFAULT_ID);
    conn.execute(sql, (DEFAULT_ID, location, now))?;
    Ok(())
}

/// Answers the new experiment's id.
pub fn create(
    conn: &Connection,
    new: &NewExperiment,
    artifact_root: &str,
    now: i64,
) -> Result<String> {
    check_new(new)?;
    let location = if new.artifact_location.is_empty() {
        None
    } else {
        Some(uris::location(&new.artifact_location)?)
    };
    if id_of(conn, &new.name)?.is_some() {
        return Err(taken(&new.name, "experiments.name"));
    }
    let sql = "INSERT INTO experiments \
               (name, artifact_location, lifecycle_stage, creation_time, last_update_time) \
               VALUES (?1, ?2, 'active', ?3, ?3)";
    conn.prepare_cached(sql)?
        .execute((&new.name, &location, now))?;
    let id = conn.last_insert_rowid();
    if location.is_none() {
        conn.execute(
            "UPDATE experiments SET artifact_location = ?2 WHERE experiment_id = ?1",
            (id, default_location(artifact_root, id)),
        )?;
    }
    for tag in &new.tags {
        tags::put(conn, id, tag)?;
    }
    Ok(id.to_string())
}

fn check_new(new: &NewExperiment) -> Result<()> {
    let keys = || new.tags.iter().map(|tag| tag.key.as_str());
    validate::custom_views(keys(), None)?;
    validate::experiment_name(&new.name)?;
    new.tags.iter().try_for_each(validate::experiment_tag)?;
    let mut seen = HashSet::new();
    if keys().all(|key| seen.insert(key)) {
        return Ok(());
    }
    Err(taken(
        &new.name,
        "experiment_tags.key, experiment_tags.experiment_id",
    ))
}

/// Whatever its lifecycle stage.
pub fn get(conn: &Connection, id: i64) -> Result<Experiment> {
    let sql = format!("SELECT {COLUMNS} FROM experiments WHERE experiment_id = ?1");
    let found = conn
        .prepare_cached(&sql)?
        .query_row([id], load)
        .optional()?;
    let mut experiment = found.ok_or_else(|| unknown(id))?;
    experiment.tags = tags::read(conn, id)?;
    Ok(experiment)
}

/// Whatever its lifecycle stage.
pub fn get_by_name(conn: &Connection, name: &str) -> Result<Experiment> {
    match id_of(conn, name)? {
        Some(id) => get(conn, id),
        None => Err(Refusal::missing(format!(
            "Could not find experiment with name '{name}'"
        ))),
    }
}

pub fn rename(conn: &Connection, id: i64, name: &str, now: i64) -> Result<()> {
    validate::experiment_name(name)?;
    if get(conn, id)?.lifecycle_stage != ACTIVE {
        let message = "Cannot rename a non-active experiment.";
        return Err(Refusal::new(Code::InvalidState, message));
    }
    if id_of(conn, name)?.is_some_and(|other| other != id) {
        let message = "UNIQUE constraint failed: experiments.name";
        return Err(Refusal::new(Code::BadRequest, message));
    }
    let sql = "UPDATE experiments SET name = ?2, last_update_time = ?3 WHERE experiment_id = ?1";
    conn.prepare_cached(sql)?.execute((id, name, now))?;
    Ok(())
}

/// Its runs are deleted with it.
pub fn delete(conn: &Connection, id: i64, now: i64) -> Result<()> {
    change_stage(conn, id, ACTIVE, DELETED, now)?;
    let sql = "UPDATE runs SET lifecycle_stage = 'deleted', deleted_time = ?2 \
               WHERE experiment_id = ?1";
    conn.prepare_cached(sql)?.execute((id, now))?;
    Ok(())
}

/// Its runs are restored with it, those too that were deleted one by one.
pub fn restore(conn: &Connection, id: i64, now: i64) -> Result<()> {
    change_stage(conn, id, DELETED, ACTIVE, now)?;
    let sql = "UPDATE runs SET lifecycle_stage = 'active', deleted_time = NULL \
               WHERE experiment_id = ?1";
    conn.prepare_cached(sql)?.execute([id])?;
    Ok(())
}

fn change_stage(conn: &Connection, id: i64, from: &str, to: &str, now: i64) -> Result<()> {
    let sql = "UPDATE experiments SET lifecycle_stage = ?3, last_update_time = ?4 \
               WHERE experiment_id = ?1 AND lifecycle_stage = ?2";
    let changed = conn.prepare_cached(sql)?.execute((id, from, to, now))?;
    if changed == 0 {
        Err(unknown(id))
    } else {
        Ok(())
    }
}

pub fn id_of(conn: &Connection, name: &str) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT experiment_id FROM experiments WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?)
}

/// That runs may be added to it.
pub(crate) fn check_active(experiment: &Experiment) -> Result<()> {
    if experiment.lifecycle_stage == ACTIVE {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "The experiment {} must be in the 'active' state. Current state is {}.",
        experiment.experiment_id, experiment.lifecycle_stage
    )))
}

fn load(row: &Row) -> rusqlite::Result<Experiment> {
    Ok(Experiment {
        experiment_id: row.get::<_, i64>(0)?.to_string(),
        name: row.get(1)?,
        artifact_location: row.get(2)?,
        lifecycle_stage: row.get(3)?,
        last_update_time: row.get(4)?,
        creation_time: row.get(5)?,
        tags: Vec::new(),
        workspace: "default",
    })
}

fn default_location(artifact_root: &str, id: i64) -> String {
    format!("{}/{id}", artifact_root.trim_end_matches('/'))
}

fn unknown(id: i64) -> Refusal {
    Refusal::missing(format!("No Experiment with id={id} exists"))
}

/// MLflow's message ends with what its database said.
fn taken(name: &str, columns: &str) -> Refusal {
    Refusal::exists(format!(
        "Experiment(name={name}) already exists. Error: UNIQUE constraint failed: {columns}"
    ))
}
