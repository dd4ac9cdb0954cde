//! Writes registered models and their versions.

use rusqlite::Connection;

use super::batches;
use super::records::{RegisteredModelRecord, Source, VersionRecord};
use super::{Progress, Summary};
use crate::error::Result;

pub fn import(
    conn: &Connection,
    source: &impl Source,
    summary: &mut Summary,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let models = source.registered_models()?;
    batches::each(conn, "registered_models", &models, progress, |model| {
        let model = source.registered_model(model)?;
        let is_new = put_model(conn, &model)?;
        summary.registered_models.add(is_new);
        for version in &model.versions {
            let is_new = put_version(conn, &model.name, version)?;
            summary.model_versions.add(is_new);
        }
        Ok(1 + model.versions.len() as u64)
    })
}

/// Whether it was not there.
fn put_model(conn: &Connection, model: &RegisteredModelRecord) -> Result<bool> {
    let sql = "INSERT INTO registered_models VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    let inserted = conn.prepare_cached(sql)?.execute((
        &model.name,
        model.creation_time,
        model.last_updated_time,
        &model.description,
    ))?;
    if inserted == 0 {
        return Ok(false);
    }
    let sql = "INSERT INTO registered_model_tags VALUES (?1, ?2, ?3)";
    let mut insert = conn.prepare_cached(sql)?;
    for tag in &model.tags {
        insert.execute((&model.name, &tag.key, &tag.value))?;
    }
    let sql = "INSERT INTO registered_model_aliases VALUES (?1, ?2, ?3)";
    let mut insert = conn.prepare_cached(sql)?;
    for (alias, version) in &model.aliases {
        insert.execute((&model.name, alias, version))?;
    }
    Ok(true)
}

fn put_version(conn: &Connection, name: &str, version: &VersionRecord) -> Result<bool> {
    let sql = "INSERT INTO model_versions (name, version, creation_time, last_updated_time, \
               description, user_id, current_stage, source, storage_location, run_id, run_link, \
               model_id, status, status_message) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) \
               ON CONFLICT DO NOTHING";
    let inserted = conn.prepare_cached(sql)?.execute((
        name,
        version.version,
        version.creation_time,
        version.last_updated_time,
        &version.description,
        &version.user_id,
        &version.current_stage,
        &version.source,
        &version.storage_location,
        &version.run_id,
        &version.run_link,
        &version.model_id,
        &version.status,
        &version.status_message,
    ))?;
    if inserted == 0 {
        return Ok(false);
    }
    let sql = "INSERT INTO model_version_tags VALUES (?1, ?2, ?3, ?4)";
    let mut insert = conn.prepare_cached(sql)?;
    for tag in &version.tags {
        insert.execute((name, version.version, &tag.key, &tag.value))?;
    }
    Ok(true)
}
