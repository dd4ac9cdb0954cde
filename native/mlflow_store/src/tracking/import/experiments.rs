//! Writes experiments.

use rusqlite::{Connection, OptionalExtension};

use super::batches;
use super::records::{ExperimentRecord, Source};
use super::{Progress, Summary};
use crate::error::{Result, StoreError};

pub fn import(
    conn: &Connection,
    source: &impl Source,
    summary: &mut Summary,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let experiments = source.experiments()?;
    batches::each(conn, "experiments", &experiments, progress, |experiment| {
        let is_new = !is_present(conn, experiment)?;
        if is_new {
            insert(conn, experiment, summary)?;
        }
        summary.experiments.add(is_new);
        Ok(1 + experiment.tags.len() as u64)
    })
}

/// The same experiment may have been renamed since, but was not created twice.
fn is_present(conn: &Connection, experiment: &ExperimentRecord) -> Result<bool> {
    let sql = "SELECT name, creation_time FROM experiments WHERE experiment_id = ?1";
    let present: Option<(String, i64)> = conn
        .prepare_cached(sql)?
        .query_row([experiment.id], |row| row.try_into())
        .optional()?;
    match present {
        None => Ok(false),
        Some((name, created)) if name == experiment.name || created == experiment.creation_time => {
            Ok(true)
        }
        Some((name, _)) => Err(StoreError::invalid(format!(
            "experiment {} is {:?} in the source but another one, {name:?}, here, and runs refer \
             to it by that id: import into an empty database",
            experiment.id, experiment.name
        ))),
    }
}

fn insert(conn: &Connection, experiment: &ExperimentRecord, summary: &mut Summary) -> Result<()> {
    let name = free_name(conn, experiment)?;
    conn.prepare_cached("INSERT INTO experiments VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute((
            experiment.id,
            &name,
            &experiment.artifact_location,
            &experiment.lifecycle_stage,
            experiment.creation_time,
            experiment.last_update_time,
        ))?;
    let mut insert = conn.prepare_cached("INSERT INTO experiment_tags VALUES (?1, ?2, ?3)")?;
    for tag in &experiment.tags {
        insert.execute((experiment.id, &tag.key, &tag.value))?;
    }
    if name != experiment.name {
        summary.renamed.push((experiment.name.clone(), name));
    }
    Ok(())
}

fn free_name(conn: &Connection, experiment: &ExperimentRecord) -> Result<String> {
    let is_taken = conn
        .prepare_cached("SELECT 1 FROM experiments WHERE name = ?1")?
        .exists([&experiment.name])?;
    Ok(if is_taken {
        format!("{} ({})", experiment.name, experiment.id)
    } else {
        experiment.name.clone()
    })
}
