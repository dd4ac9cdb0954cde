//! Logged models: what a run leaves behind, with params, tags and metrics of its own.

use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::{Value, json};

use super::entities::{KeyValue, LoggedModel, LoggedModelData, LoggedModelInfo, LoggedModelMetric};
use super::error::{Code, Refusal, Result};
use super::validate::registry as validate;
use super::{experiments, python, rows, uris};

/// The tag that says which versions of registered models were made of it.
const REGISTRATIONS: &str = "mlflow.modelVersions";
const COLUMNS: &str = "model_id, experiment_id, name, creation_timestamp_ms, \
                       last_updated_timestamp_ms, artifact_location, status, model_type, \
                       source_run_id, status_message";
/// The first is also what any number reads as that is none of the others.
pub const STATUSES: [(&str, i64); 4] = [
    ("LOGGED_MODEL_STATUS_UNSPECIFIED", 0),
    ("LOGGED_MODEL_PENDING", 1),
    ("LOGGED_MODEL_READY", 2),
    ("LOGGED_MODEL_UPLOAD_FAILED", 3),
];

pub struct NewLoggedModel {
    pub model_id: String,
    pub experiment_id: i64,
    pub name: String,
    pub model_type: String,
    pub source_run_id: String,
    pub params: Vec<KeyValue>,
    pub tags: Vec<KeyValue>,
}

pub fn create(conn: &Connection, new: &NewLoggedModel, now: i64) -> Result<LoggedModel> {
    validate::logged_model_name(&new.name)?;
    let experiment = experiments::get(conn, new.experiment_id)?;
    experiments::check_active(&experiment)?;
    let below = format!("models/{}/artifacts", new.model_id);
    let location = uris::append(&experiment.artifact_location, &below);

    let sql = "INSERT INTO logged_models \
               (model_id, experiment_id, name, artifact_location, creation_timestamp_ms, \
                last_updated_timestamp_ms, status, lifecycle_stage, model_type, source_run_id) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?5, 1, 'active', ?6, ?7)";
    conn.prepare_cached(sql)?.execute((
        &new.model_id,
        new.experiment_id,
        &new.name,
        location,
        now,
        &new.model_type,
        &new.source_run_id,
    ))?;
    add_params(conn, &new.model_id, &new.params)?;
    for tag in &new.tags {
        let sql = "INSERT INTO logged_model_tags VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        insert_once(conn, sql, &new.model_id, tag, "tag")?;
    }
    get(conn, &new.model_id, false)
}

/// One that was deleted is found only where `allow_deleted` says so.
pub fn get(conn: &Connection, model_id: &str, allow_deleted: bool) -> Result<LoggedModel> {
    let sql = format!(
        "SELECT {COLUMNS} FROM logged_models \
         WHERE model_id = ?1 AND (lifecycle_stage != 'deleted' OR ?2)"
    );
    let found = conn
        .prepare_cached(&sql)?
        .query_row((model_id, allow_deleted), load)
        .optional()?;
    let mut model = found.ok_or_else(|| missing(model_id))?;
    fill(conn, &mut model)?;
    Ok(model)
}

/// As searches show it.
pub(crate) fn listed(conn: &Connection, rowid: i64) -> Result<LoggedModel> {
    let sql = format!("SELECT {COLUMNS} FROM logged_models WHERE rowid = ?1");
    let mut model = conn.prepare_cached(&sql)?.query_row([rowid], load)?;
    fill(conn, &mut model)?;
    Ok(model)
}

/// Where its files are.
pub fn artifact_uri(conn: &Connection, model_id: &str) -> Result<String> {
    let sql = "SELECT artifact_location FROM logged_models \
               WHERE model_id = ?1 AND lifecycle_stage != 'deleted'";
    let found = conn
        .prepare_cached(sql)?
        .query_row([model_id], |row| row.get(0))
        .optional()?;
    found.ok_or_else(|| missing(model_id))
}

pub fn finalize(conn: &Connection, model_id: &str, status: &str, now: i64) -> Result<LoggedModel> {
    let number = STATUSES.iter().find(|(name, _)| *name == status);
    let sql = "UPDATE logged_models SET status = ?2, last_updated_timestamp_ms = ?3 \
               WHERE model_id = ?1";
    let changed = conn.prepare_cached(sql)?.execute((
        model_id,
        number.map_or(0, |(_, number)| *number),
        now,
    ))?;
    found(changed, model_id)?;
    get(conn, model_id, true)
}

/// It stays, to be found where deleted ones are asked for.
pub fn delete(conn: &Connection, model_id: &str, now: i64) -> Result<()> {
    let sql = "UPDATE logged_models \
               SET lifecycle_stage = 'deleted', last_updated_timestamp_ms = ?2 WHERE model_id = ?1";
    let changed = conn.prepare_cached(sql)?.execute((model_id, now))?;
    found(changed, model_id)
}

pub fn set_tags(conn: &Connection, model_id: &str, tags: &[KeyValue]) -> Result<()> {
    check_exists(conn, model_id)?;
    let sql = "INSERT OR REPLACE INTO logged_model_tags VALUES (?1, ?2, ?3)";
    let mut statement = conn.prepare_cached(sql)?;
    for tag in tags {
        statement.execute((model_id, &tag.key, &tag.value))?;
    }
    Ok(())
}

pub fn delete_tag(conn: &Connection, model_id: &str, key: &str) -> Result<()> {
    check_exists(conn, model_id)?;
    let sql = "DELETE FROM logged_model_tags WHERE model_id = ?1 AND key = ?2";
    if conn.prepare_cached(sql)?.execute((model_id, key))? == 0 {
        return Err(Refusal::missing(format!(
            "No tag with key {} found for model with ID {}.",
            python::repr(key),
            python::repr(model_id)
        )));
    }
    Ok(())
}

pub fn log_params(conn: &Connection, model_id: &str, params: &[KeyValue]) -> Result<()> {
    check_exists(conn, model_id)?;
    add_params(conn, model_id, params)
}

/// Notes in a tag that a registered model's version was made of it.
pub(crate) fn add_registration(
    conn: &Connection,
    model_id: &str,
    name: &str,
    version: i64,
) -> Result<()> {
    let sql = "SELECT value FROM logged_model_tags WHERE model_id = ?1 AND key = ?2";
    let noted: Option<String> = conn
        .prepare_cached(sql)?
        .query_row((model_id, REGISTRATIONS), |row| row.get(0))
        .optional()?;
    let noted = noted.and_then(|noted| serde_json::from_str(&noted).ok());
    let mut registrations: Vec<Value> = noted.unwrap_or_default();
    let registration = json!({"name": name, "version": version});
    if !registrations.contains(&registration) {
        registrations.push(registration);
    }
    let tag = KeyValue {
        key: REGISTRATIONS.to_owned(),
        value: python::dumps_spaced(&Value::Array(registrations)),
    };
    set_tags(conn, model_id, &[tag])
}

/// Tags, params and metrics.
fn fill(conn: &Connection, model: &mut LoggedModel) -> Result<()> {
    let id = &model.info.model_id;
    let pairs = |table: &str| {
        let sql = format!("SELECT key, value FROM {table} WHERE model_id = ?1 ORDER BY key");
        rows(conn, &sql, [id], super::runs::key_value)
    };
    let sql = "SELECT key, value, timestamp, step, dataset_name, dataset_digest, model_id, run_id, \
               is_nan FROM logged_model_metrics WHERE model_id = ?1 ORDER BY rowid";
    model.data = LoggedModelData {
        params: pairs("logged_model_params")?,
        metrics: rows(conn, sql, [id], load_metric)?,
    };
    model.info.tags = pairs("logged_model_tags")?;
    Ok(())
}

fn add_params(conn: &Connection, model_id: &str, params: &[KeyValue]) -> Result<()> {
    for param in params {
        let sql = "INSERT INTO logged_model_params VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        insert_once(conn, sql, model_id, param, "param")?;
    }
    Ok(())
}

/// MLflow's message is what its database said.
fn insert_once(
    conn: &Connection,
    sql: &str,
    model_id: &str,
    pair: &KeyValue,
    noun: &str,
) -> Result<()> {
    let inserted = conn
        .prepare_cached(sql)?
        .execute((model_id, &pair.key, &pair.value))?;
    if inserted == 0 {
        let message = format!(
            "UNIQUE constraint failed: logged_model_{noun}s.model_id, \
             logged_model_{noun}s.{noun}_key"
        );
        return Err(Refusal::new(Code::BadRequest, message));
    }
    Ok(())
}

fn check_exists(conn: &Connection, model_id: &str) -> Result<()> {
    let known = conn
        .prepare_cached("SELECT 1 FROM logged_models WHERE model_id = ?1")?
        .exists([model_id])?;
    found(usize::from(known), model_id)
}

fn found(count: usize, model_id: &str) -> Result<()> {
    if count == 0 {
        return Err(missing(model_id));
    }
    Ok(())
}

fn missing(model_id: &str) -> Refusal {
    Refusal::missing(format!("Logged model with ID '{model_id}' not found."))
}

fn load(row: &Row) -> rusqlite::Result<LoggedModel> {
    let status: i64 = row.get(6)?;
    let status = STATUSES.iter().find(|(_, number)| *number == status);
    Ok(LoggedModel {
        info: LoggedModelInfo {
            model_id: row.get(0)?,
            experiment_id: row.get::<_, i64>(1)?.to_string(),
            name: row.get(2)?,
            creation_timestamp_ms: row.get(3)?,
            last_updated_timestamp_ms: row.get(4)?,
            artifact_uri: row.get(5)?,
            status: status.unwrap_or(&STATUSES[0]).0,
            model_type: row.get(7)?,
            source_run_id: row.get(8)?,
            status_message: row.get(9)?,
            tags: Vec::new(),
        },
        data: LoggedModelData::default(),
    })
}

fn load_metric(row: &Row) -> rusqlite::Result<LoggedModelMetric> {
    let is_nan: bool = row.get(8)?;
    Ok(LoggedModelMetric {
        key: row.get(0)?,
        value: if is_nan { f64::NAN } else { row.get(1)? },
        timestamp: row.get(2)?,
        step: row.get(3)?,
        dataset_name: row.get(4)?,
        dataset_digest: row.get(5)?,
        model_id: row.get(6)?,
        run_id: row.get(7)?,
    })
}
