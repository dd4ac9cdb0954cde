//! Registered models, their tags, and the newest version in each stage.

pub mod aliases;

use rusqlite::{Connection, OptionalExtension, Row};

use super::entities::{KeyValue, ModelVersion, RegisteredModel};
use super::error::{Refusal, Result};
use super::validate::registry as validate;
use super::{model_versions, python, rows};

pub const IS_PROMPT: &str = "mlflow.prompt.is_prompt";
const COLUMNS: &str = "name, creation_time, last_updated_time, description";

pub struct NewRegisteredModel {
    pub name: String,
    pub description: String,
    pub tags: Vec<KeyValue>,
}

impl RegisteredModel {
    pub(crate) fn is_prompt(&self) -> bool {
        is_prompt(&self.tags)
    }
}

/// Whether tags say so; the last one with the key counts.
pub(crate) fn is_prompt(tags: &[KeyValue]) -> bool {
    let tag = tags.iter().rev().find(|tag| tag.key == IS_PROMPT);
    tag.is_some_and(|tag| tag.value.eq_ignore_ascii_case("true"))
}

pub fn create(conn: &Connection, new: &NewRegisteredModel, now: i64) -> Result<RegisteredModel> {
    validate::model_name(&new.name)?;
    for tag in &new.tags {
        validate::registered_model_tag(&tag.key, &tag.value)?;
    }
    if let Some(existing) = find(conn, &new.name)? {
        return Err(taken(new, &tags(conn, &existing.name)?));
    }
    conn.prepare_cached("INSERT INTO registered_models VALUES (?1, ?2, ?2, ?3)")?
        .execute((&new.name, now, &new.description))?;
    for tag in &new.tags {
        put_tag(conn, &new.name, tag)?;
    }
    get(conn, &new.name)
}

pub fn get(conn: &Connection, name: &str) -> Result<RegisteredModel> {
    let mut model = find_valid(conn, name)?;
    // By the lowest version that each stage has.
    model.latest_versions = latest(conn, name, "min(version)")?;
    fill(conn, &mut model)?;
    Ok(model)
}

/// As searches show it: with the newest versions by the names of their stages.
pub(crate) fn listed(conn: &Connection, rowid: i64) -> Result<RegisteredModel> {
    let sql = format!("SELECT {COLUMNS} FROM registered_models WHERE rowid = ?1");
    let mut model = conn.prepare_cached(&sql)?.query_row([rowid], load)?;
    model.latest_versions = latest(conn, &model.name, "current_stage")?;
    fill(conn, &mut model)?;
    Ok(model)
}

/// An empty description is none.
pub fn update(
    conn: &Connection,
    name: &str,
    description: &str,
    now: i64,
) -> Result<RegisteredModel> {
    find_valid(conn, name)?;
    let sql =
        "UPDATE registered_models SET description = ?2, last_updated_time = ?3 WHERE name = ?1";
    conn.prepare_cached(sql)?
        .execute((name, description, now))?;
    get(conn, name)
}

pub fn rename(conn: &Connection, name: &str, new_name: &str, now: i64) -> Result<RegisteredModel> {
    validate::new_name(new_name)?;
    find_valid(conn, name)?;
    if name != new_name && find(conn, new_name)?.is_some() {
        return Err(Refusal::exists(format!(
            "Registered Model (name={new_name}) already exists. Error: UNIQUE constraint failed: \
             registered_models.name"
        )));
    }
    let sql = "UPDATE registered_models SET name = ?2, last_updated_time = ?3 WHERE name = ?1";
    conn.prepare_cached(sql)?.execute((name, new_name, now))?;
    conn.prepare_cached("UPDATE model_versions SET last_updated_time = ?2 WHERE name = ?1")?
        .execute((new_name, now))?;
    get(conn, new_name)
}

/// With its versions, tags and aliases.
pub fn delete(conn: &Connection, name: &str) -> Result<()> {
    find_valid(conn, name)?;
    conn.prepare_cached("DELETE FROM registered_models WHERE name = ?1")?
        .execute([name])?;
    Ok(())
}

/// The newest version in each of `stages`, or in every stage where none is named.
pub fn latest_versions(
    conn: &Connection,
    name: &str,
    stages: &[String],
) -> Result<Vec<ModelVersion>> {
    find_valid(conn, name)?;
    let stages: Vec<_> = stages
        .iter()
        .map(|stage| validate::stage(stage))
        .collect::<Result<_>>()?;
    let mut versions = latest(conn, name, "min(version)")?;
    versions
        .retain(|version| stages.is_empty() || stages.contains(&version.current_stage.as_str()));
    for version in &mut versions {
        version.aliases = aliases::of_version(conn, name, &version.version)?;
    }
    Ok(versions)
}

pub fn set_tag(conn: &Connection, name: &str, tag: &KeyValue) -> Result<()> {
    validate::model_name(name)?;
    validate::registered_model_tag(&tag.key, &tag.value)?;
    find_valid(conn, name)?;
    put_tag(conn, name, tag)
}

/// A tag that is not there is as good as deleted.
pub fn delete_tag(conn: &Connection, name: &str, key: &str) -> Result<()> {
    validate::model_name(name)?;
    super::validate::name("key", key)?;
    find_valid(conn, name)?;
    conn.prepare_cached("DELETE FROM registered_model_tags WHERE name = ?1 AND key = ?2")?
        .execute((name, key))?;
    Ok(())
}

/// A bare row, without what [`get`] adds to it.
pub(crate) fn find_valid(conn: &Connection, name: &str) -> Result<RegisteredModel> {
    validate::model_name(name)?;
    find(conn, name)?
        .ok_or_else(|| Refusal::missing(format!("Registered Model with name={name} not found")))
}

pub(crate) fn touch(conn: &Connection, name: &str, now: i64) -> Result<()> {
    conn.prepare_cached("UPDATE registered_models SET last_updated_time = ?2 WHERE name = ?1")?
        .execute((name, now))?;
    Ok(())
}

/// Tags and aliases.
fn fill(conn: &Connection, model: &mut RegisteredModel) -> Result<()> {
    model.tags = tags(conn, &model.name)?;
    model.aliases = aliases::all(conn, &model.name)?;
    Ok(())
}

fn find(conn: &Connection, name: &str) -> Result<Option<RegisteredModel>> {
    let sql = format!("SELECT {COLUMNS} FROM registered_models WHERE name = ?1");
    Ok(conn
        .prepare_cached(&sql)?
        .query_row([name], load)
        .optional()?)
}

fn load(row: &Row) -> rusqlite::Result<RegisteredModel> {
    Ok(RegisteredModel {
        name: row.get(0)?,
        creation_timestamp: row.get(1)?,
        last_updated_timestamp: row.get(2)?,
        description: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
        latest_versions: Vec::new(),
        tags: Vec::new(),
        aliases: Vec::new(),
    })
}

fn latest(conn: &Connection, name: &str, order: &str) -> Result<Vec<ModelVersion>> {
    let sql = format!(
        "SELECT max(version) FROM model_versions \
         WHERE name = ?1 AND current_stage != ?2 GROUP BY current_stage ORDER BY {order}"
    );
    let newest: Vec<i64> = rows(conn, &sql, (name, model_versions::DELETED), |row| {
        row.get(0)
    })?;
    newest
        .into_iter()
        .map(|version| model_versions::read(conn, name, version))
        .collect()
}

fn tags(conn: &Connection, name: &str) -> Result<Vec<KeyValue>> {
    let sql = "SELECT key, value FROM registered_model_tags WHERE name = ?1 ORDER BY rowid";
    rows(conn, sql, [name], super::runs::key_value)
}

fn put_tag(conn: &Connection, name: &str, tag: &KeyValue) -> Result<()> {
    let sql = "INSERT INTO registered_model_tags VALUES (?1, ?2, ?3) \
               ON CONFLICT (name, key) DO UPDATE SET value = excluded.value";
    conn.prepare_cached(sql)?
        .execute((name, &tag.key, &tag.value))?;
    Ok(())
}

/// A prompt is a registered model with a tag, and the two share their names.
fn taken(new: &NewRegisteredModel, existing: &[KeyValue]) -> Refusal {
    let name = &new.name;
    let kind = |tags: &[KeyValue]| match tags.iter().any(|tag| tag.key == IS_PROMPT) {
        true => "Prompt",
        false => "Registered Model",
    };
    let (old, new) = (kind(existing), kind(&new.tags));
    if old == new {
        return Refusal::exists(format!("{new} (name={name}) already exists."));
    }
    Refusal::exists(format!(
        "Tried to create a {} with name {}, but the name is already taken by a {}. MLflow does not \
         allow creating a model and a prompt with the same name.",
        new.to_lowercase(),
        python::repr(name),
        old.to_lowercase()
    ))
}
