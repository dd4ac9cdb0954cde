use mlflow_store::{Connection, ErrorKind, Store, record, tables};
use serde_json::json;

use crate::support::{T, record as row};

#[test]
fn an_empty_file_is_migrated_and_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new folder/and another/store.db");

    let store = Store::open(&path).unwrap();
    store
        .run(|conn| record::insert(conn, &tables::MODEL_RUNS, row(json!({"run_id": "r"})), T))
        .unwrap();
    store.close();

    let store = Store::open(&path).unwrap();
    let found = store
        .run(|conn| record::get(conn, &tables::MODEL_RUNS, "run_id", "r"))
        .unwrap();
    assert!(found.is_some());
}

#[test]
fn the_connection_is_durable_shared_and_checks_foreign_keys() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store.db")).unwrap();
    let settings = [
        "journal_mode",
        "synchronous",
        "foreign_keys",
        "busy_timeout",
    ];
    let values = store
        .run(move |conn| {
            let ask = |name| {
                conn.pragma_query_value(None, name, |row| {
                    row.get_ref(0)?
                        .as_str()
                        .map(str::to_owned)
                        .or_else(|_| row.get::<_, i64>(0).map(|n| n.to_string()))
                })
            };
            settings
                .into_iter()
                .map(|name| Ok(ask(name)?))
                .collect::<mlflow_store::Result<Vec<_>>>()
        })
        .unwrap();
    assert_eq!(values, ["wal", "1", "1", "5000"]);
}

/// `PRAGMA table_info` and the descriptions agree, so that no column is forgotten in either.
#[test]
fn the_descriptions_match_the_schema() {
    let store = Store::open(":memory:".as_ref()).unwrap();
    for table in tables::ALL {
        let sql = format!("SELECT name, type FROM pragma_table_info('{}')", table.name);
        let stored: Vec<(String, String)> = store
            .run(move |conn| {
                let mut statement = conn.prepare(&sql)?;
                let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .unwrap();

        let described: Vec<_> = table
            .columns
            .iter()
            .map(|column| {
                let sql_type = match column.kind {
                    tables::Kind::Text | tables::Kind::Json => "TEXT",
                    tables::Kind::Integer | tables::Kind::Boolean => "INTEGER",
                    tables::Kind::Real => "REAL",
                };
                (column.name.to_owned(), sql_type.to_owned())
            })
            .collect();
        assert_eq!(stored, described, "{}", table.name);
        assert!(std::ptr::eq(tables::by_name(table.name).unwrap(), *table));
    }
    assert!(tables::by_name("jobs").is_none());
}

#[test]
fn a_newer_schema_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    Store::open(&path).unwrap().close();
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let before = std::fs::read(&path).unwrap();

    let error = Store::open(&path).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Newer);
    assert!(
        error.message.contains("99") && error.message.contains("upgrade"),
        "{error}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    for garbage in [b"hello".to_vec(), vec![0xAB; 100_000]] {
        let path = dir.path().join("garbage.db");
        std::fs::write(&path, &garbage).unwrap();

        let error = Store::open(&path).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Corrupt);
        assert!(error.message.contains("garbage.db"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), garbage);
    }
}

#[test]
fn another_applications_database_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    for setup in [
        "PRAGMA application_id = 42",
        "CREATE TABLE theirs (a)",
        "PRAGMA user_version = 1",
    ] {
        let path = dir.path().join(format!("{}.db", setup.len()));
        Connection::open(&path)
            .unwrap()
            .execute_batch(setup)
            .unwrap();
        let before = std::fs::read(&path).unwrap();

        let error = Store::open(&path).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Corrupt, "{setup}");
        assert!(
            error.message.contains("not an mlflow_sync database"),
            "{error}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

#[test]
fn a_folder_that_cannot_be_is_an_io_error() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let error = Store::open(&dir.path().join("file/store.db")).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Io);
}
