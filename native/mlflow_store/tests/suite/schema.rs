use mlflow_store::{Connection, ErrorKind, Store, history, jobs, points, record, tables};
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
    assert_eq!(values[..3], ["wal", "1", "1"]);
    assert!((1..=5000).contains(&values[3].parse().unwrap()));
}

/// `PRAGMA table_info` and the descriptions agree, so that no column is forgotten in either.
#[test]
fn the_descriptions_match_the_schema() {
    let store = Store::open(":memory:".as_ref()).unwrap();
    let described = tables::ALL.iter().copied();
    for table in described.chain([&history::SYNC_ATTEMPTS, &history::SYNC_CONFLICTS]) {
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
    }
    for table in tables::ALL {
        assert!(std::ptr::eq(tables::by_name(table.name).unwrap(), *table));
    }
    assert!(tables::by_name("jobs").is_none());
}

/// What version 1 wrote, by the migration as it was released.
fn write_version_1(path: &std::path::Path) -> Connection {
    let conn = Connection::open(path).unwrap();
    conn.execute_batch(include_str!("../../migrations/001_initial.sql"))
        .unwrap();
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA application_id = 1296847705; PRAGMA user_version = 1;
         INSERT INTO model_trials (id, trial_id, tags, inserted_at, updated_at)
           VALUES ('a', 't', '{\"team\":\"x\"}', 1, 2);
         INSERT INTO trial_points (trial_id, key, value, is_nan, step, timestamp, remote)
           VALUES ('a', 'loss', 0.5, 0, 1, 9, 0), ('a', 'loss', 0.0, 1, 2, 9, 1);
         INSERT INTO mlflow_runs (id, mlflow_run_id, model_trial_id, base, points_seq,
                                  inserted_at, updated_at)
           VALUES ('r', 'run', 'a', 'base', 1, 3, 4);
         INSERT INTO jobs (instance, action, args, state, priority, attempt, max_attempts, errors,
                           scheduled_at, inserted_at)
           VALUES ('main', 'sync', '{}', 'available', 2, 0, 5, '[]', 5, 5);",
    )
    .unwrap();
    conn
}

#[test]
fn a_file_of_version_1_is_migrated_in_place_and_keeps_everything() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    drop(write_version_1(&path));

    let store = Store::open(&path).unwrap();
    store
        .run(|conn| {
            let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
            assert_eq!(version, 3);
            let trial = mlflow_store::trials::find(conn, "t")?.unwrap();
            assert_eq!(trial["tags"], json!({"team": "x"}));
            assert_eq!(
                (&trial["inserted_at"], &trial["updated_at"]),
                (&json!(1), &json!(2))
            );
            let points = points::history(conn, "a", None)?;
            assert_eq!((points.len(), points[0].timestamp), (2, 9));
            assert!(points::after(conn, "a", 1, None)?.points.is_empty());
            let run = record::get(conn, &tables::MLFLOW_RUNS, "mlflow_run_id", "run")?.unwrap();
            assert_eq!(
                (&run["base"], &run["points_seq"]),
                (&json!("base"), &json!(1))
            );
            assert_eq!(jobs::fetch(conn, "main", "me", 9, T, 1)?.len(), 1);
            let attempt = json!({"instance": "main", "action": "sync", "target": "t",
                "direction": "push", "result": "ok", "started_at": 1, "duration_ms": 2});
            history::record(conn, row(attempt), vec![])?;
            Ok(())
        })
        .unwrap();
    store.close();
    Store::open(&path).unwrap();
}

#[test]
fn a_migration_that_cannot_be_finished_leaves_the_old_version() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    write_version_1(&path)
        .execute_batch("CREATE TABLE run_points (theirs)")
        .unwrap();

    Store::open(&path).unwrap_err();
    let conn = Connection::open(&path).unwrap();
    let version: i64 = conn
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, 1);
    conn.execute_batch("DROP TABLE run_points").unwrap();
    drop(conn);
    Store::open(&path).unwrap();
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
