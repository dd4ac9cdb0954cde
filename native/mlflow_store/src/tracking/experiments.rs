//! Experiments. The one with the id 0, "Default", is always there.

use rusqlite::{Connection, OptionalExtension, Row};

use super::entities::{Experiment, KeyValue};
use super::error::{Refusal, Result};

pub const DEFAULT_ID: i64 = 0;
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
    if id_of(conn, &new.name)?.is_some() {
        return Err(taken(&new.name));
    }
    let sql = "INSERT INTO experiments \
               (name, artifact_location, lifecycle_stage, creation_time, last_update_time) \
               VALUES (?1, ?2, 'active', ?3, ?3)";
    conn.prepare_cached(sql)?
        .execute((&new.name, &new.artifact_location, now))?;
    let id = conn.last_insert_rowid();
    if new.artifact_location.is_empty() {
        conn.execute(
            "UPDATE experiments SET artifact_location = ?2 WHERE experiment_id = ?1",
            (id, default_location(artifact_root, id)),
        )?;
    }
    for tag in &new.tags {
        put_tag(conn, id, tag)?;
    }
    Ok(id.to_string())
}

/// Whatever its lifecycle stage.
pub fn get(conn: &Connection, id: i64) -> Result<Experiment> {
    let sql = format!("SELECT {COLUMNS} FROM experiments WHERE experiment_id = ?1");
    let found = conn
        .prepare_cached(&sql)?
        .query_row([id], load)
        .optional()?;
    let mut experiment =
        found.ok_or_else(|| Refusal::missing(format!("No Experiment with id={id} exists")))?;
    experiment.tags = tags(conn, id)?;
    Ok(experiment)
}

pub fn id_of(conn: &Connection, name: &str) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT experiment_id FROM experiments WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?)
}

/// That runs may be added to it.
pub(crate) fn check_active(experiment: &Experiment) -> Result<()> {
    if experiment.lifecycle_stage == "active" {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "The experiment {} must be in the 'active' state. Current state is {}.",
        experiment.experiment_id, experiment.lifecycle_stage
    )))
}

fn put_tag(conn: &Connection, id: i64, tag: &KeyValue) -> Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO experiment_tags VALUES (?1, ?2, ?3)")?
        .execute((id, &tag.key, &tag.value))?;
    Ok(())
}

fn tags(conn: &Connection, id: i64) -> Result<Vec<KeyValue>> {
    let sql = "SELECT key, value FROM experiment_tags WHERE experiment_id = ?1";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([id], super::runs::key_value)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
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

/// MLflow's message ends with what its database said.
fn taken(name: &str) -> Refusal {
    Refusal::exists(format!(
        "Experiment(name={name}) already exists. Error: UNIQUE constraint failed: experiments.name"
    ))
}
