//! Aliases: names for versions of a registered model.

use rusqlite::{Connection, OptionalExtension};

use super::{find_valid, latest_versions};
use crate::tracking::entities::{Alias, ModelVersion};
use crate::tracking::error::{Refusal, Result};
use crate::tracking::validate::registry as validate;
use crate::tracking::{model_versions, rows};

pub fn set(conn: &Connection, name: &str, alias: &str, version: &str) -> Result<()> {
    validate::model_name(name)?;
    validate::alias(alias)?;
    validate::free_alias(alias)?;
    let version = model_versions::find(conn, name, version)?;
    let sql = "INSERT INTO registered_model_aliases VALUES (?1, ?2, ?3) \
               ON CONFLICT (name, alias) DO UPDATE SET version = excluded.version";
    conn.prepare_cached(sql)?.execute((name, alias, version))?;
    Ok(())
}

/// An alias that is not there is as good as deleted.
pub fn delete(conn: &Connection, name: &str, alias: &str) -> Result<()> {
    validate::model_name(name)?;
    validate::alias(alias)?;
    find_valid(conn, name)?;
    conn.prepare_cached("DELETE FROM registered_model_aliases WHERE name = ?1 AND alias = ?2")?
        .execute((name, alias))?;
    Ok(())
}

/// The version that an alias names; "latest" names the newest of all.
pub fn get(conn: &Connection, name: &str, alias: &str) -> Result<ModelVersion> {
    validate::model_name(name)?;
    validate::alias(alias)?;
    if validate::is_latest(alias) {
        return newest(conn, name);
    }
    find_valid(conn, name)?;
    let sql = "SELECT version FROM registered_model_aliases WHERE name = ?1 AND alias = ?2";
    let version: Option<i64> = conn
        .prepare_cached(sql)?
        .query_row((name, alias), |row| row.get(0))
        .optional()?;
    match version {
        Some(version) => model_versions::get(conn, name, &version.to_string()),
        None => Err(Refusal::invalid(format!(
            "Registered model alias {alias} not found."
        ))),
    }
}

pub(crate) fn all(conn: &Connection, name: &str) -> Result<Vec<Alias>> {
    let sql = "SELECT alias, version FROM registered_model_aliases WHERE name = ?1 ORDER BY alias";
    rows(conn, sql, [name], |row| {
        Ok(Alias {
            alias: row.get(0)?,
            version: row.get::<_, i64>(1)?.to_string(),
        })
    })
}

pub(crate) fn of_version(conn: &Connection, name: &str, version: &str) -> Result<Vec<String>> {
    let mut aliases = all(conn, name)?;
    aliases.retain(|alias| alias.version == version);
    Ok(aliases.into_iter().map(|alias| alias.alias).collect())
}

fn newest(conn: &Connection, name: &str) -> Result<ModelVersion> {
    let versions = latest_versions(conn, name, &[])?;
    versions
        .into_iter()
        .max_by_key(|version| version.version.parse::<i64>().unwrap_or_default())
        .ok_or_else(|| Refusal::missing(format!("Latest version not found for model {name}.")))
}
