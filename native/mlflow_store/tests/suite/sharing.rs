//! Several stores on one file, as several processes would have.

use std::collections::HashSet;
use std::sync::Barrier;
use std::thread;

use mlflow_store::jobs::{self, Job, NewJob};
use mlflow_store::runs::{self, Claim, ClaimOutcome};
use mlflow_store::{Result, Store};
use serde_json::json;

use crate::support::T;

#[test]
fn a_new_file_can_be_opened_by_many_at_once() {
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    Store::open(&path)
                        .unwrap()
                        .run(|conn| jobs::counts(conn, "main"))
                        .unwrap();
                });
            }
        });
    }
}

#[test]
fn each_job_is_taken_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let new = (0..500)
        .map(|n| NewJob::new("main", "sync", json!({"n": n})))
        .collect();
    Store::open(&path)
        .unwrap()
        .run(|conn| jobs::insert_all(conn, new, T))
        .unwrap();

    let taken: Vec<i64> = thread::scope(|scope| {
        let drain = |owner: &'static str| {
            let path = path.as_path();
            move || {
                let store = Store::open(path).unwrap();
                let mut taken = Vec::new();
                loop {
                    let batch = store
                        .run(move |conn| fetch_and_complete(conn, owner))
                        .unwrap();
                    if batch.is_empty() {
                        return taken;
                    }
                    taken.extend(batch.into_iter().map(|job| job.id));
                }
            }
        };
        let workers = [scope.spawn(drain("a")), scope.spawn(drain("b"))];
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });

    assert_eq!(taken.len(), 500);
    assert_eq!(taken.into_iter().collect::<HashSet<_>>().len(), 500);
}

fn fetch_and_complete(conn: &mlflow_store::Connection, owner: &str) -> Result<Vec<Job>> {
    let batch = jobs::fetch(conn, "main", owner, 7, T, 1000)?;
    for job in &batch {
        jobs::complete(conn, job.id, owner, None, T)?.expect("nobody else has the lease");
    }
    Ok(batch)
}

#[test]
fn one_of_many_claims_a_trial() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let start = Barrier::new(4);
    let outcomes: Vec<ClaimOutcome> = thread::scope(|scope| {
        let claim = |n: usize| {
            let (start, path) = (&start, path.as_path());
            move || {
                let store = Store::open(path).unwrap();
                start.wait();
                let claim = Claim {
                    model_trial_id: "t".into(),
                    mlflow_experiment_id: None,
                    model_run_id: None,
                    owner: n.to_string(),
                    now: T,
                    lease_ms: 1000,
                };
                store.run(move |conn| runs::claim(conn, &claim)).unwrap()
            }
        };
        let claims: Vec<_> = (0..4).map(|n| scope.spawn(claim(n))).collect();
        claims
            .into_iter()
            .map(|claim| claim.join().unwrap())
            .collect()
    });

    let fresh = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, ClaimOutcome::Fresh(_)));
    assert_eq!(fresh.count(), 1);
    let busy = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, ClaimOutcome::Busy { .. }));
    assert_eq!(busy.count(), 3);
}
