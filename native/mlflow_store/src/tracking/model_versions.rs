//! Versions of registered models: numbered from 1, and never numbered again.

mod create;
mod model_uri;
mod source;

use rusqlite::{Connection, OptionalExtension, Row};

use super::entities::{KeyValue, ModelVersion};
use super::error::{Code, Refusal, Result};
use super::registered_models::{self, aliases};
use super::rows;
use super::validate::registry as validate;

pub use create::{NewModelVersion, create};

/// The stage of versions that were deleted, which keeps their numbers from being given again.
pub(crate) const DELETED: &str = "Deleted_Internal";
const ACTIVE_STAGES: [&str; 2] = ["Staging", "Production"];
const COLUMNS: &str = "name, version, creation_time, last_updated_time, user_id, current_stage, \
                       description, source, run_id, status, status_message, run_link";

pub fn get(conn: &Connection, name: &str, version: &str) -> Result<ModelVersion> {
    let number = find(conn, name, version)?;
    with_aliases(conn, name, number)
}

/// No description at all removes the one that is there.
pub fn update(
    conn: &Connection,
    name: &str,
    version: &str,
    description: Option<&str>,
    now: i64,
) -> Result<ModelVersion> {
    let number = find(conn, name, version)?;
    let sql = "UPDATE model_versions SET description = ?3, last_updated_time = ?4 \
               WHERE name = ?1 AND version = ?2";
    conn.prepare_cached(sql)?
        .execute((name, number, description, now))?;
    with_aliases(conn, name, number)
}

pub fn transition(
    conn: &Connection,
    name: &str,
    version: &str,
    stage: &str,
    archive_existing: bool,
    now: i64,
) -> Result<ModelVersion> {
    let canonical = validate::stage(stage)?;
    if archive_existing && !ACTIVE_STAGES.contains(&canonical) {
        let message = format!(
            "Model version transition cannot archive existing model versions because '{stage}' is \
             not an Active stage. Valid stages are ['Staging', 'Production']"
        );
        return Err(Refusal::new(Code::InternalError, message));
    }
    let number = find(conn, name, version)?;
    if archive_existing {
        let sql = "UPDATE model_versions SET current_stage = 'Archived', last_updated_time = ?4 \
                   WHERE name = ?1 AND version != ?2 AND current_stage = ?3";
        conn.prepare_cached(sql)?
            .execute((name, number, canonical, now))?;
    }
    let sql = "UPDATE model_versions SET current_stage = ?3, last_updated_time = ?4 \
               WHERE name = ?1 AND version = ?2";
    conn.prepare_cached(sql)?
        .execute((name, number, canonical, now))?;
    registered_models::touch(conn, name, now)?;
    with_aliases(conn, name, number)
}

/// The row stays, with nothing in it that tells where the model came from.
pub fn delete(conn: &Connection, name: &str, version: &str, now: i64) -> Result<()> {
    let number = find(conn, name, version)?;
    conn.prepare_cached("DELETE FROM registered_model_aliases WHERE name = ?1 AND version = ?2")?
        .execute((name, number))?;
    let sql = "UPDATE model_versions SET current_stage = ?3, last_updated_time = ?4, \
               description = NULL, user_id = NULL, status_message = NULL, \
               source = 'REDACTED-SOURCE-PATH', run_id = 'REDACTED-RUN-ID', \
               run_link = 'REDACTED-RUN-LINK' WHERE name = ?1 AND version = ?2";
    conn.prepare_cached(sql)?
        .execute((name, number, DELETED, now))?;
    registered_models::touch(conn, name, now)
}

/// Where its files are.
pub fn download_uri(conn: &Connection, name: &str, version: &str) -> Result<String> {
    let number = find(conn, name, version)?;
    let sql = "SELECT coalesce(nullif(storage_location, ''), source, '') FROM model_versions \
               WHERE name = ?1 AND version = ?2";
    Ok(conn
        .prepare_cached(sql)?
        .query_row((name, number), |row| row.get(0))?)
}

pub fn set_tag(conn: &Connection, name: &str, version: &str, tag: &KeyValue) -> Result<()> {
    validate::model_name(name)?;
    validate::version(version)?;
    validate::model_version_tag(&tag.key, &tag.value)?;
    let number = find(conn, name, version)?;
    put_tag(conn, name, number, tag)
}

/// A tag that is not there is as good as deleted.
pub fn delete_tag(conn: &Connection, name: &str, version: &str, key: &str) -> Result<()> {
    validate::model_name(name)?;
    validate::version(version)?;
    super::validate::name("key", key)?;
    let number = find(conn, name, version)?;
    let sql = "DELETE FROM model_version_tags WHERE name = ?1 AND version = ?2 AND key = ?3";
    conn.prepare_cached(sql)?.execute((name, number, key))?;
    Ok(())
}

/// The number of a version that is there.
pub(crate) fn find(conn: &Connection, name: &str, version: &str) -> Result<i64> {
    validate::model_name(name)?;
    let number = validate::version(version)?;
    let sql = "SELECT version FROM model_versions \
               WHERE name = ?1 AND version = ?2 AND current_stage != ?3";
    let found = conn
        .prepare_cached(sql)?
        .query_row((name, number, DELETED), |row| row.get(0))
        .optional()?;
    found.ok_or_else(|| {
        Refusal::missing(format!(
            "Model Version (name={name}, version={number}) not found"
        ))
    })
}

/// Without its aliases, which MLflow does not show everywhere.
pub(crate) fn read(conn: &Connection, name: &str, version: i64) -> Result<ModelVersion> {
    let sql = format!("SELECT {COLUMNS} FROM model_versions WHERE name = ?1 AND version = ?2");
    let mut found = conn
        .prepare_cached(&sql)?
        .query_row((name, version), load)?;
    let sql = "SELECT key, value FROM model_version_tags WHERE name = ?1 AND version = ?2 \
               ORDER BY rowid";
    found.tags = rows(conn, sql, (name, version), super::runs::key_value)?;
    Ok(found)
}

/// As searches show it.
pub(crate) fn listed(conn: &Connection, rowid: i64) -> Result<ModelVersion> {
    let sql = "SELECT name, version FROM model_versions WHERE rowid = ?1";
    let (name, version): (String, i64) = conn
        .prepare_cached(sql)?
        .query_row([rowid], |row| row.try_into())?;
    read(conn, &name, version)
}

fn with_aliases(conn: &Connection, name: &str, number: i64) -> Result<ModelVersion> {
    let mut version = read(conn, name, number)?;
    version.aliases = aliases::of_version(conn, name, &version.version)?;
    Ok(version)
}

fn put_tag(conn: &Connection, name: &str, version: i64, tag: &KeyValue) -> Result<()> {
    let sql = "INSERT INTO model_version_tags VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT (name, version, key) DO UPDATE SET value = excluded.value";
    conn.prepare_cached(sql)?
        .execute((name, version, &tag.key, &tag.value))?;
    Ok(())
}

fn load(row: &Row) -> rusqlite::Result<ModelVersion> {
    Ok(ModelVersion {
        name: row.get(0)?,
        version: row.get::<_, i64>(1)?.to_string(),
        creation_timestamp: row.get(2)?,
        last_updated_timestamp: row.get(3)?,
        user_id: row.get(4)?,
        current_stage: row.get(5)?,
        description: row.get(6)?,
        source: row.get(7)?,
        run_id: row.get(8)?,
        status: row.get(9)?,
        status_message: row.get(10)?,
        tags: Vec::new(),
        run_link: row.get(11)?,
        aliases: Vec::new(),
    })
}
