//! What was answered is kept, though the process dies on the spot.

use std::path::Path;
use std::process::Command;

use mlflow_store::{Filter, Point, Store, points, record, tables::MODEL_TRIALS, trials};
use serde_json::json;

use crate::support::{T, record as row};

const PATH: &str = "MLFLOW_STORE_CRASH_TEST";

#[test]
fn writes_survive_the_abort_of_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::writes_and_aborts"])
        .env(PATH, &path)
        .output()
        .unwrap()
        .status;
    assert!(!status.success());

    let store = Store::open(&path).unwrap();
    let (rows, points) = store
        .run(|conn| {
            let rows = record::list(conn, &MODEL_TRIALS, &Filter::default())?;
            Ok((rows, points::history(conn, "t-49", None)?))
        })
        .unwrap();
    assert_eq!(rows.len(), 50);
    assert_eq!(points.len(), 1);
}

/// The process that dies: this binary once more, started by the test above.
#[test]
fn writes_and_aborts() {
    let Ok(path) = std::env::var(PATH) else {
        return;
    };
    let store = Store::open(Path::new(&path)).unwrap();
    for n in 0..50 {
        let trial = row(json!({"trial_id": format!("t-{n}")}));
        store
            .run(move |conn| trials::create(conn, trial, &[Point::at("loss", 0.5, 1)], T))
            .unwrap();
    }
    // One more that was begun and never answered must leave no trace.
    store
        .submit(Box::new(|conn| {
            conn.execute_batch("BEGIN IMMEDIATE; DELETE FROM model_trials")
                .unwrap();
            std::process::abort();
        }))
        .unwrap();
    store.close();
}
