//! What every test needs: a database in memory, and records written as JSON.

use mlflow_store::{Connection, Record, Result, Store};
use serde_json::Value;

/// An arbitrary "now"; tests count on from here.
pub const T: i64 = 1_700_000_000_000;

pub fn record(value: Value) -> Record {
    match value {
        Value::Object(record) => record,
        other => panic!("not an object: {other}"),
    }
}

/// Runs `test` on the writer thread of a fresh store, where a failed assertion would otherwise be
/// caught like any other panic of work.
pub fn with_conn(test: impl FnOnce(&Connection) -> Result<()> + Send + 'static) {
    let store = Store::open(":memory:".as_ref()).unwrap();
    store.run(move |conn| test(conn)).unwrap();
}

pub fn ids(records: &[Record]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record["id"].as_str().unwrap())
        .collect()
}
