//! What an import takes over, and what it makes of a source that clashes, breaks off or is damaged.

mod again;
mod database;
mod folder;
mod source;

use std::path::Path;

use mlflow_store::tracking::import::{Summary, import};
use mlflow_store::tracking::metrics::history;
use mlflow_store::tracking::{experiments, runs};
use mlflow_store::{Connection, Result};
use serde_json::{Value, json};

fn import_all(conn: &Connection, source: &Path) -> Result<Summary> {
    import(conn, source, |_| {})
}

fn shown(entity: impl serde::Serialize) -> Value {
    serde_json::to_value(entity).unwrap()
}

fn run(conn: &Connection, id: &str) -> Value {
    shown(runs::get(conn, id).unwrap())
}

fn experiment(conn: &Connection, id: i64) -> Value {
    shown(experiments::get(conn, id).unwrap())
}

/// Values, times and steps, in the order of a history.
fn points(conn: &Connection, run: &str, key: &str) -> Value {
    let page = history::page(conn, run, key, 0, None).unwrap();
    let shown = page.iter().map(|point| {
        let value = if point.is_nan {
            json!("NaN")
        } else {
            json!(point.value)
        };
        json!([value, point.timestamp, point.step])
    });
    shown.collect()
}
