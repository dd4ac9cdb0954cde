//! New model versions: their source is checked, and they take the next number.

use rusqlite::Connection;

use super::model_uri::ModelUri;
use super::put_tag;
use super::source::{self, Lineage};
use crate::tracking::entities::{KeyValue, LoggedModel, ModelVersion};
use crate::tracking::error::{Code, Refusal, Result};
use crate::tracking::uris::Uri;
use crate::tracking::validate::registry as validate;
use crate::tracking::{logged_models, registered_models};

pub struct NewModelVersion {
    pub name: String,
    pub source: String,
    /// `None` where the request does not say.
    pub run_id: Option<String>,
    pub model_id: Option<String>,
    pub run_link: String,
    pub description: String,
    pub tags: Vec<KeyValue>,
}

/// `artifact_root` is where the server keeps artifacts unless told otherwise.
pub fn create(
    conn: &Connection,
    new: NewModelVersion,
    artifact_root: &str,
    now: i64,
) -> Result<ModelVersion> {
    let is_prompt = registered_models::is_prompt(&new.tags);
    if is_prompt {
        source::check_prompt(&new.source)?;
    }
    source::check_host(&new.source, artifact_root)?;
    let mut lineage = Lineage {
        source: new.source.clone(),
        run_id: new.run_id.clone(),
        model_id: new.model_id.clone(),
    };
    if !is_prompt {
        lineage = source::resolve(conn, lineage)?;
        source::check(conn, &lineage)?;
    }
    validate::model_name(&new.name)?;
    for tag in &new.tags {
        validate::model_version_tag(&tag.key, &tag.value)?;
    }
    let version = insert(conn, &new, &lineage, now)?;
    if let Some(model_id) = lineage.some_model().filter(|_| !is_prompt) {
        logged_models::add_registration(conn, model_id, &new.name, version)?;
    }
    super::read(conn, &new.name, version)
}

fn insert(conn: &Connection, new: &NewModelVersion, lineage: &Lineage, now: i64) -> Result<i64> {
    let (storage, run_id) = storage(conn, lineage)?;
    registered_models::find_valid(conn, &new.name)?;
    registered_models::touch(conn, &new.name, now)?;
    let sql = "INSERT INTO model_versions \
               (name, version, creation_time, last_updated_time, description, current_stage, \
                source, storage_location, run_id, run_link, model_id, status) \
               VALUES (?1, (SELECT coalesce(max(version), 0) + 1 FROM model_versions WHERE name = ?1), \
                       ?2, ?2, ?3, 'None', ?4, ?5, ?6, ?7, ?8, 'READY') RETURNING version";
    let version = conn.prepare_cached(sql)?.query_row(
        (
            &new.name,
            now,
            &new.description,
            &lineage.source,
            storage,
            run_id,
            &new.run_link,
            lineage.some_model(),
        ),
        |row| row.get(0),
    )?;
    for tag in &new.tags {
        put_tag(conn, &new.name, version, tag)?;
    }
    Ok(version)
}

/// Where the files are, and the run that they come from.
fn storage(conn: &Connection, lineage: &Lineage) -> Result<(String, String)> {
    let source = &lineage.source;
    let mut location = source.clone();
    let mut run_id = lineage.run_id.clone().unwrap_or_default();
    let no_source = |refusal: Refusal| {
        let message = format!(
            "Unable to fetch model from model URI source artifact location '{source}'.Error: {}",
            refusal.message
        );
        Refusal::new(Code::InternalError, message)
    };
    let source_run = |model: &LoggedModel| model.info.source_run_id.clone().unwrap_or_default();

    let parsed = Some(source).filter(|source| Uri::parse(source).scheme == "models");
    match parsed.and_then(|source| ModelUri::parse(source)) {
        Some(ModelUri::Logged(model_id)) => {
            let model = logged_models::get(conn, model_id, false).map_err(no_source)?;
            if run_id.is_empty() {
                run_id = source_run(&model);
            }
            location = model.info.artifact_uri;
        }
        Some(ModelUri::Version { name, version }) => {
            location = super::download_uri(conn, name, version).map_err(no_source)?;
        }
        _ => {}
    }
    if let Some(model_id) = lineage.some_model().filter(|_| run_id.is_empty()) {
        run_id = source_run(&logged_models::get(conn, model_id, false)?);
    }
    Ok((location, run_id))
}
