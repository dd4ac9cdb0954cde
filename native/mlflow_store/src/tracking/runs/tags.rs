//! Tags of runs.

use rusqlite::Connection;
use serde::Serialize;
use serde_json::{Map, Value, ser::Formatter};

use super::super::entities::KeyValue;
use super::super::error::{Refusal, Result};
use super::super::python;
use super::super::validate::{self, Place};
use super::{NAME_TAG, find_active, twice};

/// The tag that tells of the models that old clients log.
const MODELS_TAG: &str = "mlflow.log-model.history";

/// Answers the number of the run's experiment, as all that write to a run do.
pub fn set(conn: &Connection, run_id: &str, tag: &mut KeyValue) -> Result<i64> {
    validate::tag(Place::Alone, tag)?;
    let row = find_active(conn, run_id)?;
    write(conn, row.run_no, tag)?;
    Ok(row.experiment_id)
}

pub fn delete(conn: &Connection, run_id: &str, key: &str) -> Result<i64> {
    let row = find_active(conn, run_id)?;
    let sql = "DELETE FROM tags WHERE run_no = ?1 AND key = ?2";
    if conn.prepare_cached(sql)?.execute((row.run_no, key))? > 0 {
        return Ok(row.experiment_id);
    }
    Err(Refusal::missing(format!(
        "No tag with name: {key} in run with id {run_id}"
    )))
}

/// Adds a model, as its `MLmodel` file describes it, to the list that the run keeps in a tag.
pub fn add_model(conn: &Connection, run_id: &str, model: &Map<String, Value>) -> Result<i64> {
    let row = find_active(conn, run_id)?;
    let sql = "SELECT value FROM tags WHERE run_no = ?1 AND key = ?2";
    let mut held = conn.prepare_cached(sql)?;
    let mut held = held.query((row.run_no, MODELS_TAG))?;
    let list = match held.next()? {
        Some(held) => held.get::<_, String>(0)?,
        None => "[]".to_owned(),
    };
    let model = described(model)?;
    let list = match list.trim_end().strip_suffix(']') {
        Some("[") | None => format!("[{model}]"),
        Some(others) => format!("{others}, {model}]"),
    };
    put(conn, row.run_no, MODELS_TAG, &list)?;
    Ok(row.experiment_id)
}

/// A tag that names the run renames it; an empty name changes nothing.
pub(in crate::tracking) fn write(conn: &Connection, run_no: i64, tag: &KeyValue) -> Result<()> {
    if tag.key == NAME_TAG {
        if tag.value.is_empty() {
            return Ok(());
        }
        conn.prepare_cached("UPDATE runs SET name = ?2 WHERE run_no = ?1")?
            .execute((run_no, &tag.value))?;
    }
    put(conn, run_no, &tag.key, &tag.value)
}

pub(super) fn put(conn: &Connection, run_no: i64, key: &str, value: &str) -> Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO tags VALUES (?1, ?2, ?3)")?
        .execute((run_no, key, value))?;
    Ok(())
}

/// Refuses one that is there.
pub(super) fn insert(conn: &Connection, run_no: i64, key: &str, value: &str) -> Result<()> {
    let added = conn
        .prepare_cached("INSERT OR IGNORE INTO tags VALUES (?1, ?2, ?3)")?
        .execute((run_no, key, value))?;
    if added == 0 {
        return Err(twice("tags.key, tags.run_uuid"));
    }
    Ok(())
}

/// What the tag keeps of a model, in MLflow's order and in the words of Python's `json.dumps`.
fn described(model: &Map<String, Value>) -> Result<String> {
    let shown = |key: &str| spaced(model.get(key).unwrap_or(&Value::Null));
    Ok(format!(
        "{{\"run_id\": {}, \"artifact_path\": {}, \"utc_time_created\": {}, \"model_uuid\": {}, \
         \"flavors\": {}}}",
        shown("run_id")?,
        shown("artifact_path")?,
        shown("utc_time_created")?,
        shown("model_uuid")?,
        spaced(&flavors(model))?
    ))
}

/// Without each flavor's "config".
fn flavors(model: &Map<String, Value>) -> Value {
    let mut flavors = model.get("flavors").cloned().unwrap_or_default();
    if let Some(flavors) = flavors.as_object_mut() {
        for flavor in flavors.values_mut().filter_map(Value::as_object_mut) {
            flavor.remove("config");
        }
    }
    flavors
}

fn spaced(value: &Value) -> Result<String> {
    let mut json = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut json, Spaced);
    value
        .serialize(&mut serializer)
        .map_err(|error| Refusal::invalid(error.to_string()))?;
    Ok(python::ascii(&String::from_utf8_lossy(&json)))
}

/// A space after every comma and colon.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
    ) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}
