//! A file that cannot be written for a while: clear errors, nothing lost, and business as usual
//! afterwards.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use mlflow_store::jobs::{self, JobState, NewJob};
use mlflow_store::{Connection, ErrorKind, Filter, Point, Store, points, record, tables, trials};
use serde_json::json;

use crate::support::{T, record as row};

#[test]
fn a_lock_that_lasts_is_told_to_everyone_at_once_and_forgotten_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = Store::open(&path).unwrap();
    let trial = row(json!({"id": "id", "trial_id": "t"}));
    store
        .run(|conn| trials::create(conn, trial, &[], T))
        .unwrap();

    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let (done, answers) = channel();
    let began = Instant::now();
    for step in 0..20 {
        let done = done.clone();
        let work = move |conn: &mut Connection| {
            let answer = points::append(conn, "t", &[Point::at("loss", 1.0, step)], T);
            done.send(answer).unwrap();
        };
        store.submit(Box::new(work)).unwrap();
    }
    drop(done);
    for answer in &answers {
        let error = answer.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Busy);
        assert!(error.message.contains("another process"), "{error}");
    }
    let waited = began.elapsed();
    assert!(
        waited >= Duration::from_secs(4),
        "{waited:?}: a short lock is waited out"
    );
    assert!(
        waited < Duration::from_secs(30),
        "{waited:?}: not one after another"
    );
    let read = store.run(|conn| points::history(conn, "t", None)).unwrap();
    assert!(read.is_empty(), "and what can be read still is");

    other.execute_batch("ROLLBACK").unwrap();
    let point = [Point::at("loss", 1.0, 1)];
    assert_eq!(
        store
            .run(move |conn| points::append(conn, "t", &point, T))
            .unwrap(),
        1
    );
}

#[test]
fn a_job_that_ends_on_a_full_disk_can_be_ended_later() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store.db")).unwrap();
    let limit = |pages: i64| {
        move |conn: &mut Connection| {
            let used: i64 = conn.pragma_query_value(None, "page_count", |row| row.get(0))?;
            conn.pragma_update_and_check(None, "max_page_count", used + pages, |_| Ok(()))?;
            Ok(())
        }
    };

    let job = store
        .run(|conn| {
            jobs::insert_all(conn, vec![NewJob::new("main", "sync", json!({}))], T)?;
            Ok(jobs::fetch(conn, "main", "me", 1, T, 1000)?.remove(0))
        })
        .unwrap();
    store.run(limit(0)).unwrap();

    let report = || Some(json!({"conflicts": vec!["x"; 10_000]}));
    let end = move |conn: &mut Connection| jobs::complete(conn, job.id, "me", report(), T);
    let error = store.run(end).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Full);
    assert!(error.message.contains("free some space"), "{error}");

    let filter = Filter::default();
    store
        .run(move |conn| {
            let kept = jobs::get(conn, job.id)?.unwrap();
            assert_eq!((kept.state, kept.result), (JobState::Executing, None));
            assert_eq!(jobs::renew(conn, "me", &[job.id], T + 500, 1000)?, 1);
            let large = row(json!({"metadata": "x".repeat(100_000)}));
            record::insert(conn, &tables::MODEL_RUNS, large, T).unwrap_err();
            assert!(record::list(conn, &tables::MODEL_RUNS, &filter)?.is_empty());
            Ok(())
        })
        .unwrap();

    store.run(limit(1_000)).unwrap();
    let ended = store.run(end).unwrap().unwrap();
    assert_eq!((ended.state, ended.result), (JobState::Completed, report()));
}
