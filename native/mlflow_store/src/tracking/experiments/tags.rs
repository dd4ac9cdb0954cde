//! Tags of experiments.

use rusqlite::Connection;

use super::super::entities::KeyValue;
use super::super::error::{Refusal, Result};
use super::super::{runs, validate};
use super::{check_active, get};

pub fn set(conn: &Connection, id: i64, tag: &KeyValue) -> Result<()> {
    validate::experiment_tag(tag)?;
    let experiment = get(conn, id)?;
    check_active(&experiment)?;
    if validate::is_custom_view(&tag.key) {
        let held = experiment.tags.iter().map(|held| held.key.as_str());
        let others = held.filter(|key| *key != tag.key);
        validate::custom_views(others.chain([tag.key.as_str()]), Some(id))?;
    }
    put(conn, id, tag)
}

pub fn delete(conn: &Connection, id: i64, key: &str) -> Result<()> {
    check_active(&get(conn, id)?)?;
    let sql = "DELETE FROM experiment_tags WHERE experiment_id = ?1 AND key = ?2";
    if conn.prepare_cached(sql)?.execute((id, key))? > 0 {
        return Ok(());
    }
    Err(Refusal::missing(format!(
        "No tag with name: {key} in experiment with id {id}"
    )))
}

pub(super) fn put(conn: &Connection, id: i64, tag: &KeyValue) -> Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO experiment_tags VALUES (?1, ?2, ?3)")?
        .execute((id, &tag.key, &tag.value))?;
    Ok(())
}

pub(super) fn read(conn: &Connection, id: i64) -> Result<Vec<KeyValue>> {
    let sql = "SELECT key, value FROM experiment_tags WHERE experiment_id = ?1";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([id], runs::key_value)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
