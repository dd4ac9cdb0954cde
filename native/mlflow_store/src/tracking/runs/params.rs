//! Params of runs, which never change.

use rusqlite::{Connection, OptionalExtension};

use super::super::entities::KeyValue;
use super::super::error::{Refusal, Result};
use super::super::python::repr;
use super::super::validate::{self, Place};
use super::find_active;

/// Answers the number of the run's experiment.
pub fn log(conn: &Connection, run_id: &str, param: &mut KeyValue) -> Result<i64> {
    validate::param(Place::Alone, param)?;
    let row = find_active(conn, run_id)?;
    if let Some(held) = add(conn, row.run_no, param)? {
        return Err(Refusal::invalid(format!(
            "Changing param values is not allowed. Param with key='{}' was already logged with \
             value='{held}' for run ID='{run_id}'. Attempted logging new value '{}'.",
            param.key, param.value
        )));
    }
    Ok(row.experiment_id)
}

pub(in crate::tracking) fn log_many(
    conn: &Connection,
    run_no: i64,
    run_id: &str,
    params: &[KeyValue],
) -> Result<()> {
    let mut changed = Vec::new();
    for param in params {
        if let Some(held) = add(conn, run_no, param)? {
            changed.push(format!(
                "{{'key': {}, 'old_value': {}, 'new_value': {}}}",
                repr(&param.key),
                repr(&held),
                repr(&param.value)
            ));
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "Changing param values is not allowed. Params were already logged='[{}]' for run \
         ID='{run_id}'.",
        changed.join(", ")
    )))
}

/// Answers the value that is there, where it is another.
fn add(conn: &Connection, run_no: i64, param: &KeyValue) -> Result<Option<String>> {
    let added = conn
        .prepare_cached("INSERT OR IGNORE INTO params VALUES (?1, ?2, ?3)")?
        .execute((run_no, &param.key, &param.value))?;
    if added > 0 {
        return Ok(None);
    }
    let sql = "SELECT value FROM params WHERE run_no = ?1 AND key = ?2 AND value <> ?3";
    Ok(conn
        .prepare_cached(sql)?
        .query_row((run_no, &param.key, &param.value), |row| row.get(0))
        .optional()?)
}
