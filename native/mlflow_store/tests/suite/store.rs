use std::sync::mpsc::channel;

use mlflow_store::{ErrorKind, Filter, Result, Store, record, tables::MODEL_RUNS};
use serde_json::json;

use crate::support::{T, record as row};

#[test]
fn a_panic_in_work_hurts_nobody_else() {
    let store = Store::open(":memory:".as_ref()).unwrap();
    let error = store
        .run(|conn| -> Result<()> {
            conn.execute_batch(
                "BEGIN; INSERT INTO model_runs (id, inserted_at, updated_at) VALUES ('x', 0, 0)",
            )?;
            panic!("expected in this test");
        })
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Internal);

    let rows = store
        .run(|conn| record::list(conn, &MODEL_RUNS, &Filter::default()))
        .unwrap();
    assert!(
        rows.is_empty(),
        "what the panicking work began was rolled back"
    );
}

#[test]
fn submit_never_blocks_and_refuses_when_the_queue_is_full() {
    let store = Store::open(":memory:".as_ref()).unwrap();
    let (release, held) = channel::<()>();
    let (started, running) = channel();
    store
        .submit(Box::new(move |_| {
            started.send(()).unwrap();
            held.recv().unwrap();
        }))
        .unwrap();
    running.recv().unwrap();

    let (done, results) = channel();
    let mut accepted = 0;
    let refusal = loop {
        let done = done.clone();
        match store.submit(Box::new(move |_| done.send(()).unwrap())) {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refusal.kind, ErrorKind::Overloaded);

    drop(done);
    release.send(()).unwrap();
    assert_eq!(
        results.iter().count(),
        accepted,
        "all that was accepted was run"
    );
}

#[test]
fn close_finishes_accepted_work_and_refuses_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = Store::open(&path).unwrap();
    let other = store.clone();
    for n in 0..100 {
        let run = row(json!({"run_id": n.to_string()}));
        store
            .submit(Box::new(move |conn| {
                drop(record::insert(conn, &MODEL_RUNS, run, T))
            }))
            .unwrap();
    }
    store.close();
    store.close();

    assert_eq!(
        other.submit(Box::new(|_| ())).unwrap_err().kind,
        ErrorKind::Closed
    );
    assert!(
        !dir.path().join("store.db-wal").exists(),
        "the log was checkpointed and removed"
    );
    let store = Store::open(&path).unwrap();
    let rows = store
        .run(|conn| record::list(conn, &MODEL_RUNS, &Filter::default()))
        .unwrap();
    assert_eq!(rows.len(), 100);
}

#[test]
fn work_may_close_the_store_it_runs_in() {
    let store = Store::open(":memory:".as_ref()).unwrap();
    let inner = store.clone();
    store
        .run(move |_| {
            inner.close();
            Ok(())
        })
        .unwrap();
    assert_eq!(store.run(|_| Ok(())).unwrap_err().kind, ErrorKind::Closed);
}

#[test]
fn work_and_another_thread_may_close_the_store_at_once() {
    let store = Store::open(":memory:".as_ref()).unwrap();
    let inner = store.clone();
    store
        .submit(Box::new(move |_| {
            // The other close has begun once the store refuses work.
            while inner.submit(Box::new(|_| ())).map_err(|error| error.kind)
                != Err(ErrorKind::Closed)
            {
                std::thread::yield_now();
            }
            inner.close();
        }))
        .unwrap();
    store.close();
}

#[test]
fn dropping_the_last_handle_finishes_accepted_work() {
    let store = Store::open(":memory:".as_ref()).unwrap();
    let (done, results) = channel();
    for n in 0..100 {
        let done = done.clone();
        store
            .submit(Box::new(move |_| done.send(n).unwrap()))
            .unwrap();
    }
    drop((store, done));
    assert_eq!(
        results.iter().collect::<Vec<_>>(),
        (0..100).collect::<Vec<_>>()
    );
}

#[test]
fn a_full_disk_is_said_and_nothing_is_half_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = Store::open(&path).unwrap();

    let error = store
        .run(|conn| {
            let pages: i64 = conn.pragma_query_value(None, "page_count", |row| row.get(0))?;
            conn.pragma_update_and_check(None, "max_page_count", pages + 8, |_| Ok(()))?;
            mlflow_store::transaction(conn, |conn| {
                record::insert(conn, &MODEL_RUNS, row(json!({"run_id": "small"})), T)?;
                let metadata = json!({"blob": "x".repeat(1_000_000)});
                record::insert(conn, &MODEL_RUNS, row(json!({"metadata": metadata})), T)
            })
        })
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Full);
    assert!(error.message.contains("free some space"), "{error}");

    let rows = store
        .run(|conn| record::list(conn, &MODEL_RUNS, &Filter::default()))
        .unwrap();
    assert!(rows.is_empty());
    store
        .run(|conn| record::insert(conn, &MODEL_RUNS, row(json!({"run_id": "fits"})), T))
        .expect("the store works on once there is room");
}
