//! Writes that share a transaction, and readers beside them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use mlflow_store::tracking::{Code, Refusal};
use mlflow_store::{Connection, ErrorKind, Readers, Store};

type Outcome = Result<i64, Refusal>;

fn name(conn: &Connection, name: &str) -> Outcome {
    let sql = "INSERT INTO registered_models VALUES (?1, 0, 0, NULL)";
    conn.execute(sql, [name])?;
    Ok(conn.last_insert_rowid())
}

fn names(conn: &Connection) -> Vec<String> {
    let mut statement = conn
        .prepare("SELECT name FROM registered_models ORDER BY name")
        .unwrap();
    let names = statement.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

/// Keeps the writer busy until the answer is dropped, so that what is written meanwhile waits.
fn hold(store: &Store) -> std::sync::mpsc::Sender<()> {
    let (release, held) = channel::<()>();
    let (started, running) = channel();
    store
        .submit(Box::new(move |_| {
            started.send(()).unwrap();
            let _ = held.recv();
        }))
        .unwrap();
    running.recv().unwrap();
    release
}

fn write(
    store: &Store,
    work: impl FnOnce(&Connection) -> Outcome + Send + 'static,
) -> Receiver<Outcome> {
    let (reply, outcome) = channel();
    store
        .write(work, move |outcome| reply.send(outcome).unwrap())
        .unwrap();
    outcome
}

#[test]
fn what_one_write_refuses_is_undone_for_it_alone() {
    let store = Store::open(":memory:".as_ref()).unwrap();
    let release = hold(&store);
    let first = write(&store, |conn| name(conn, "a"));
    let refused = write(&store, |conn| {
        name(conn, "b")?;
        Err(Refusal::invalid("no"))
    });
    let taken = write(&store, |conn| name(conn, "a"));
    let panicked = write(&store, |conn| {
        name(conn, "c").unwrap();
        panic!("expected in this test");
    });
    let last = write(&store, |conn| name(conn, "d"));
    drop(release);

    assert!(first.recv().unwrap().is_ok());
    assert_eq!(refused.recv().unwrap(), Err(Refusal::invalid("no")));
    assert_eq!(taken.recv().unwrap().unwrap_err().code, Code::InternalError);
    assert!(
        panicked
            .recv()
            .unwrap()
            .unwrap_err()
            .message
            .contains("panicked")
    );
    assert!(last.recv().unwrap().is_ok());
    assert_eq!(store.run(|conn| Ok(names(conn))).unwrap(), ["a", "d"]);
}

#[test]
fn writes_that_wait_are_committed_together_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = Store::open(&path).unwrap();
    let readers = Arc::new(Readers::open(&path).unwrap());
    let release = hold(&store);
    let outcomes: Vec<_> = (0..20)
        .map(|n| {
            let readers = readers.clone();
            write(&store, move |conn| {
                assert_eq!(names(conn).len(), n);
                name(conn, &format!("{n:02}"))?;
                readers.read(|| true, |conn| Ok(names(conn).len() as i64))
            })
        })
        .collect();
    drop(release);

    let mut committed: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.recv().unwrap().unwrap())
        .collect();
    committed.dedup();
    assert!(
        committed.len() < 20,
        "each had a commit of its own: {committed:?}"
    );
}

#[test]
fn a_write_is_answered_when_a_reader_sees_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = Store::open(&path).unwrap();
    let readers = Readers::open(&path).unwrap();
    let read = |readers: &Readers| {
        readers
            .read(|| true, |conn| Ok::<_, Refusal>(names(conn)))
            .unwrap()
    };

    for n in 0..20 {
        write(&store, move |conn| name(conn, &n.to_string()))
            .recv()
            .unwrap()
            .unwrap();
        assert_eq!(read(&readers).len(), n + 1);
    }
    let refused = readers.read(|| true, |conn| name(conn, "a reader's"));
    assert_eq!(refused.unwrap_err().code, Code::InternalError);
}

#[test]
fn a_reader_neither_waits_for_a_write_nor_sees_half_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = Store::open(&path).unwrap();
    let readers = Readers::open(&path).unwrap();

    let (release, held) = channel::<()>();
    let (started, running) = channel();
    let written = write(&store, move |conn| {
        let row = name(conn, "half")?;
        started.send(()).unwrap();
        let _ = held.recv();
        name(conn, "whole")?;
        Ok(row)
    });
    running.recv().unwrap();
    let before = readers
        .read(|| true, |conn| Ok::<_, Refusal>(names(conn)))
        .unwrap();
    assert_eq!(before, [] as [&str; 0]);
    drop(release);
    written.recv().unwrap().unwrap();
    let after = readers
        .read(|| true, |conn| Ok::<_, Refusal>(names(conn)))
        .unwrap();
    assert_eq!(after, ["half", "whole"]);
}

#[test]
fn work_of_its_own_ends_a_group_and_keeps_its_place() {
    let store = Store::open(":memory:".as_ref()).unwrap();
    let release = hold(&store);
    let first = write(&store, |conn| name(conn, "a"));
    let (told, seen) = channel();
    store
        .submit(Box::new(move |conn| {
            assert!(conn.is_autocommit());
            told.send(names(conn)).unwrap();
        }))
        .unwrap();
    let second = write(&store, |conn| name(conn, "b"));
    drop(release);
    assert!(first.recv().unwrap().is_ok() && second.recv().unwrap().is_ok());
    assert_eq!(seen.recv().unwrap(), ["a"]);
}

#[test]
fn a_transaction_that_sqlite_undoes_fails_all_of_its_writes() {
    let store = Store::open(":memory:".as_ref()).unwrap();
    let release = hold(&store);
    let first = write(&store, |conn| name(conn, "a"));
    let fatal = write(&store, |conn| {
        // As a full disk would.
        conn.execute_batch("ROLLBACK")?;
        Ok(0)
    });
    drop(release);
    for outcome in [first, fatal] {
        assert!(
            outcome
                .recv()
                .unwrap()
                .unwrap_err()
                .message
                .contains("try again")
        );
    }
    assert!(store.run(|conn| Ok(names(conn))).unwrap().is_empty());
}

#[test]
fn a_closed_store_refuses_writes() {
    let store = Store::open(":memory:".as_ref()).unwrap();
    let waiting = write(&store, |conn| name(conn, "accepted"));
    store.close();
    assert!(waiting.recv().unwrap().is_ok());
    let refused = store.write(|conn| name(conn, "late"), |_| ());
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Closed);
}

#[test]
fn a_read_that_nobody_waits_for_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let _store = Store::open(&path).unwrap();
    let readers = Readers::open(&path).unwrap();
    let endless = |conn: &Connection| -> Result<i64, Refusal> {
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                   SELECT count(*) FROM n";
        Ok(conn.query_row(sql, [], |row| row.get(0))?)
    };
    let deadline = Instant::now() + Duration::from_millis(50);
    let given_up = readers.read(move || Instant::now() < deadline, endless);
    assert_eq!(given_up.unwrap_err().code, Code::TemporarilyUnavailable);

    // Its connection serves others, who wait.
    let counted = readers.read(|| true, |conn| Ok::<_, Refusal>(names(conn).len()));
    assert_eq!(counted.unwrap(), 0);
}
