use mlflow_store::{ErrorKind, Store, check, record, tables};
use serde_json::json;

use crate::support::{T, record as row};

#[test]
fn a_sound_file_is_told_by_its_version_while_it_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = Store::open(&path).unwrap();
    store
        .run(|conn| record::insert(conn, &tables::MODEL_RUNS, row(json!({"run_id": "r"})), T))
        .unwrap();

    let checkup = check(&path).unwrap();
    assert_eq!(checkup.version, checkup.current);
    assert!(checkup.version > 0);
    assert!(checkup.damage.is_empty(), "{checkup:?}");
}

#[test]
fn an_empty_file_stays_empty() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    std::fs::write(&path, "").unwrap();
    assert_eq!(check(&path).unwrap().version, 0);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn what_is_no_database_of_ours_is_an_error_and_a_missing_file_is_not_created() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("notes.txt");
    std::fs::write(&text, "dear diary ".repeat(100)).unwrap();
    assert_eq!(check(&text).unwrap_err().kind, ErrorKind::Corrupt);

    let missing = dir.path().join("missing.db");
    assert!(check(&missing).is_err());
    assert!(!missing.exists());
}

#[test]
fn damage_inside_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = Store::open(&path).unwrap();
    for n in 0..500 {
        let run = row(json!({"run_id": format!("run {n}"), "state": "running"}));
        store
            .run(move |conn| record::insert(conn, &tables::MODEL_RUNS, run, T))
            .unwrap();
    }
    store.close();

    // The header and the schema stay whole; every page behind them does not.
    let mut bytes = std::fs::read(&path).unwrap();
    let rest = bytes.len() / 2;
    bytes[rest..].fill(0x5A);
    std::fs::write(&path, bytes).unwrap();

    match check(&path) {
        Ok(checkup) => assert!(!checkup.damage.is_empty()),
        Err(error) => assert_eq!(error.kind, ErrorKind::Corrupt, "{error}"),
    }
}
