use mlflow_store::jobs::{self, Job, JobError, JobFilter, JobState, NewJob};
use mlflow_store::{Connection, ErrorKind, Result};
use serde_json::json;

use crate::support::{T, with_conn};

const LEASE: i64 = 1000;

fn new(action: &str) -> NewJob {
    NewJob::new("main", action, json!({"action": action}))
}

fn unique(key: &str) -> NewJob {
    NewJob {
        unique_key: Some(key.into()),
        ..new("sync")
    }
}

fn insert(conn: &Connection, job: NewJob, now: i64) -> Result<(Job, bool)> {
    Ok(jobs::insert_all(conn, vec![job], now)?.remove(0))
}

fn fetch(conn: &Connection, owner: &str, now: i64) -> Result<Vec<Job>> {
    jobs::fetch(conn, "main", owner, 10, now, LEASE)
}

/// Inserts a job and leases it to "a".
fn executing(conn: &Connection, job: NewJob) -> Result<Job> {
    let (job, _) = insert(conn, job, T)?;
    let fetched = fetch(conn, "a", T)?;
    Ok(fetched
        .into_iter()
        .find(|fetched| fetched.id == job.id)
        .unwrap())
}

fn state(conn: &Connection, id: i64) -> Result<JobState> {
    Ok(jobs::get(conn, id)?.unwrap().state)
}

fn error() -> JobError {
    JobError::new("server", "boom")
}

fn actions(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| job.action.as_str()).collect()
}

#[test]
fn a_job_is_fetched_once_and_completed_with_its_result() {
    with_conn(|conn| {
        let (inserted, conflict) = insert(conn, new("sync"), T)?;
        assert!(!conflict);
        assert_eq!((inserted.state, inserted.attempt), (JobState::Available, 0));

        let job = fetch(conn, "a", T)?.remove(0);
        assert_eq!(
            (job.id, job.state, job.attempt),
            (inserted.id, JobState::Executing, 1)
        );
        assert_eq!(job.args, json!({"action": "sync"}));
        assert_eq!(job.attempted_by.as_deref(), Some("a"));
        assert_eq!(
            (job.attempted_at, job.lease_until),
            (Some(T), Some(T + LEASE))
        );
        assert!(fetch(conn, "b", T)?.is_empty());

        let done = jobs::complete(conn, job.id, "a", Some(json!({"run": "r"})), T + 1)?.unwrap();
        assert_eq!(
            (done.state, done.finished_at),
            (JobState::Completed, Some(T + 1))
        );
        assert_eq!(done.result, Some(json!({"run": "r"})));
        assert_eq!(jobs::get(conn, job.id)?, Some(done));
        Ok(())
    });
}

#[test]
fn jobs_are_fetched_by_priority_time_and_id_when_due_and_of_the_instance() {
    with_conn(|conn| {
        let at = |at| Some(T + at);
        jobs::insert_all(
            conn,
            vec![
                NewJob {
                    scheduled_at: at(-1),
                    ..new("third")
                },
                NewJob {
                    scheduled_at: at(-2),
                    ..new("second")
                },
                NewJob {
                    priority: 9,
                    scheduled_at: at(-9),
                    ..new("last")
                },
                NewJob {
                    priority: 0,
                    ..new("first")
                },
                NewJob {
                    scheduled_at: at(1),
                    ..new("later")
                },
                NewJob::new("other", "elsewhere", json!({})),
            ],
            T,
        )?;
        let two = jobs::fetch(conn, "main", "a", 2, T, LEASE)?;
        assert_eq!(actions(&two), ["first", "second"]);
        assert_eq!(actions(&fetch(conn, "a", T)?), ["third", "last"]);
        assert_eq!(jobs::next_due(conn, "main")?, Some(T + 1));
        assert_eq!(actions(&fetch(conn, "a", T + 1)?), ["later"]);
        assert_eq!(jobs::next_due(conn, "main")?, None);
        Ok(())
    });
}

#[test]
fn an_equal_job_waits_once() {
    with_conn(|conn| {
        let (first, _) = insert(conn, unique("k"), T)?;
        let (again, conflict) = insert(conn, unique("k"), T + 1)?;
        assert!(conflict);
        assert_eq!(again, first);

        let elsewhere = NewJob {
            instance: "other".into(),
            ..unique("k")
        };
        assert!(!insert(conn, elsewhere, T)?.1, "instances are apart");

        fetch(conn, "a", T)?;
        let (next, conflict) = insert(conn, unique("k"), T + 2)?;
        assert!(
            !conflict,
            "the executing one may have read what is old by now"
        );
        assert_ne!(next.id, first.id);

        let both = jobs::insert_all(conn, vec![unique("l"), unique("l")], T)?;
        assert_eq!((both[0].1, both[1].1), (false, true));
        Ok(())
    });
}

#[test]
fn a_sooner_equal_job_moves_the_scheduled_one() {
    with_conn(|conn| {
        let at = |at| NewJob {
            scheduled_at: Some(T + at),
            ..unique("k")
        };
        insert(conn, at(100), T)?;
        assert_eq!(insert(conn, at(200), T)?.0.scheduled_at, T + 100);
        assert_eq!(insert(conn, at(50), T)?.0.scheduled_at, T + 50);
        let (now, conflict) = insert(conn, unique("k"), T + 1)?;
        assert_eq!(
            (now.state, now.scheduled_at, conflict),
            (JobState::Available, T + 1, true)
        );

        let job = fetch(conn, "a", T + 1)?.remove(0);
        jobs::snooze(conn, job.id, "a", T + 500, error(), T + 2)?;
        let (snoozed, _) = insert(conn, unique("k"), T + 3)?;
        assert_eq!(
            snoozed.scheduled_at,
            T + 500,
            "the server asked for that time"
        );
        Ok(())
    });
}

#[test]
fn one_refused_job_refuses_them_all() {
    with_conn(|conn| {
        for bad in [
            NewJob {
                priority: 10,
                ..new("x")
            },
            NewJob {
                max_attempts: 0,
                ..new("x")
            },
        ] {
            let error = jobs::insert_all(conn, vec![new("good"), bad], T).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid);
        }
        assert!(fetch(conn, "a", T)?.is_empty());
        Ok(())
    });
}

#[test]
fn a_lock_key_is_held_by_one_executing_job() {
    with_conn(|conn| {
        let locked = |action: &str| NewJob {
            lock_key: Some("trial".into()),
            ..new(action)
        };
        let elsewhere = NewJob {
            instance: "other".into(),
            ..locked("elsewhere")
        };
        let later = NewJob {
            scheduled_at: Some(T + 50),
            ..new("later")
        };
        jobs::insert_all(
            conn,
            vec![locked("one"), locked("two"), new("free"), elsewhere, later],
            T,
        )?;

        let first = fetch(conn, "a", T)?;
        assert_eq!(actions(&first), ["one", "free"]);
        assert!(fetch(conn, "b", T)?.is_empty(), "whoever asks");
        assert_eq!(
            jobs::next_due(conn, "main")?,
            Some(T + 50),
            "a locked job does not count"
        );
        assert_eq!(
            actions(&jobs::fetch(conn, "other", "b", 10, T, LEASE)?),
            ["elsewhere"]
        );

        jobs::complete(conn, first[0].id, "a", None, T)?;
        assert_eq!(jobs::next_due(conn, "main")?, Some(T));
        assert_eq!(actions(&fetch(conn, "b", T)?), ["two"]);
        Ok(())
    });
}

#[test]
fn a_failed_job_is_retried_then_discarded() {
    with_conn(|conn| {
        let job = executing(
            conn,
            NewJob {
                max_attempts: 2,
                ..new("sync")
            },
        )?;
        let failed = jobs::fail(conn, job.id, "a", error(), T + 10, T + 1)?.unwrap();
        assert_eq!(
            (failed.state, failed.scheduled_at),
            (JobState::Retryable, T + 10)
        );
        assert_eq!((failed.lease_until, failed.finished_at), (None, None));
        assert!(fetch(conn, "a", T + 9)?.is_empty());

        assert_eq!(fetch(conn, "a", T + 10)?[0].attempt, 2);
        let failed = jobs::fail(conn, job.id, "a", error(), T + 20, T + 11)?.unwrap();
        assert_eq!(
            (failed.state, failed.finished_at),
            (JobState::Discarded, Some(T + 11))
        );
        let told: Vec<_> = failed
            .errors
            .iter()
            .map(|error| (error.attempt, error.at))
            .collect();
        assert_eq!(told, [(1, T + 1), (2, T + 11)]);
        assert_eq!(failed.errors[0].message, "boom");
        Ok(())
    });
}

#[test]
fn a_snoozed_job_keeps_its_attempts_and_forgets_its_oldest_errors() {
    with_conn(|conn| {
        let mut job = executing(
            conn,
            NewJob {
                max_attempts: 1,
                ..new("sync")
            },
        )?;
        for n in 1..=30 {
            let snoozed = jobs::snooze(conn, job.id, "a", T + n, error(), T + n)?.unwrap();
            assert_eq!((snoozed.state, snoozed.attempt), (JobState::Scheduled, 0));
            job = fetch(conn, "a", T + n)?.remove(0);
        }
        assert_eq!(job.errors.len(), 20);
        assert_eq!(job.errors[19].at, T + 30);
        Ok(())
    });
}

#[test]
fn a_cancelled_job_says_why() {
    with_conn(|conn| {
        let job = executing(conn, new("sync"))?;
        let cancelled = jobs::cancel(conn, job.id, "a", error(), T + 1)?.unwrap();
        assert_eq!(
            (cancelled.state, cancelled.finished_at),
            (JobState::Cancelled, Some(T + 1))
        );
        assert_eq!(cancelled.errors[0].kind, "server");
        Ok(())
    });
}

#[test]
fn a_job_that_would_wait_beside_its_equal_is_superseded() {
    with_conn(|conn| {
        type End = fn(&Connection, i64) -> Result<()>;
        let ends: [End; 4] = [
            |conn, id| jobs::fail(conn, id, "a", error(), T, T).map(drop),
            |conn, id| jobs::snooze(conn, id, "a", T, error(), T).map(drop),
            |conn, _| jobs::rescue(conn, "main", T + LEASE + 1).map(drop),
            |conn, _| jobs::release(conn, "a", T).map(drop),
        ];
        for end in ends {
            let job = executing(conn, unique("k"))?;
            let (equal, _) = insert(conn, unique("k"), T)?;
            end(conn, job.id)?;

            let ended = jobs::get(conn, job.id)?.unwrap();
            assert_eq!(ended.state, JobState::Cancelled);
            let last = ended.errors.last().unwrap();
            assert_eq!(last.message, format!("superseded by job {}", equal.id));
            jobs::cancel_waiting(conn, equal.id, T)?;
        }
        Ok(())
    });
}

#[test]
fn an_owner_that_lost_its_lease_changes_nothing() {
    with_conn(|conn| {
        let job = executing(conn, new("sync"))?;
        for owner in ["b", ""] {
            assert_eq!(jobs::complete(conn, job.id, owner, None, T)?, None);
            assert_eq!(jobs::cancel(conn, job.id, owner, error(), T)?, None);
            assert_eq!(jobs::fail(conn, job.id, owner, error(), T, T)?, None);
            assert_eq!(jobs::snooze(conn, job.id, owner, T, error(), T)?, None);
        }
        assert_eq!(jobs::get(conn, job.id)?.as_ref(), Some(&job));

        jobs::rescue(conn, "main", T + LEASE + 1)?;
        assert_eq!(jobs::complete(conn, job.id, "a", None, T)?, None);
        assert_eq!(state(conn, job.id)?, JobState::Available);
        assert_eq!(jobs::complete(conn, 999, "a", None, T)?, None);
        Ok(())
    });
}

#[test]
fn a_dead_owners_jobs_are_rescued() {
    with_conn(|conn| {
        let last = executing(
            conn,
            NewJob {
                max_attempts: 1,
                ..new("last")
            },
        )?;
        let more = executing(conn, new("more"))?;
        assert_eq!(jobs::rescue(conn, "main", T + LEASE)?, 0);
        assert_eq!(jobs::rescue(conn, "other", T + LEASE + 1)?, 0);
        assert_eq!(jobs::rescue(conn, "main", T + LEASE + 1)?, 2);

        assert_eq!(state(conn, more.id)?, JobState::Available);
        let last = jobs::get(conn, last.id)?.unwrap();
        assert_eq!(last.state, JobState::Discarded);
        assert_eq!(last.errors[0].message, "the worker died");
        assert_eq!(fetch(conn, "b", T + LEASE + 1)?[0].attempt, 2);
        Ok(())
    });
}

#[test]
fn what_an_owner_died_of_waits_behind_all_others() {
    with_conn(|conn| {
        let first = executing(conn, new("first"))?;
        let (second, _) = insert(conn, new("second"), T)?;
        jobs::rescue(conn, "main", T + LEASE + 1)?;
        let order: Vec<_> = fetch(conn, "b", T + LEASE + 1)?
            .iter()
            .map(|job| job.id)
            .collect();
        assert_eq!(order, [second.id, first.id]);
        Ok(())
    });
}

#[test]
fn a_renewed_lease_is_not_rescued() {
    with_conn(|conn| {
        let job = executing(conn, new("sync"))?;
        let forgotten = executing(conn, new("other"))?;
        assert_eq!(jobs::renew(conn, "b", &[job.id], T + 500, LEASE)?, 0);
        assert_eq!(jobs::renew(conn, "a", &[job.id], T + 500, LEASE)?, 1);
        assert_eq!(jobs::rescue(conn, "main", T + LEASE + 1)?, 1);
        assert_eq!(state(conn, job.id)?, JobState::Executing);
        assert_eq!(state(conn, forgotten.id)?, JobState::Available);
        Ok(())
    });
}

#[test]
fn an_owner_that_stops_gives_its_jobs_back() {
    with_conn(|conn| {
        let job = executing(conn, new("sync"))?;
        assert_eq!(jobs::release(conn, "b", T)?, 0);
        assert_eq!(jobs::release(conn, "a", T)?, 1);
        let job = jobs::get(conn, job.id)?.unwrap();
        assert_eq!(
            (job.state, job.attempt, job.lease_until),
            (JobState::Available, 0, None)
        );
        Ok(())
    });
}

#[test]
fn only_a_waiting_job_is_cancelled_by_hand() {
    with_conn(|conn| {
        let job = executing(conn, new("sync"))?;
        assert_eq!(jobs::cancel_waiting(conn, job.id, T)?, None);
        jobs::fail(conn, job.id, "a", error(), T + 10, T)?;
        let cancelled = jobs::cancel_waiting(conn, job.id, T + 1)?.unwrap();
        assert_eq!(
            (cancelled.state, cancelled.finished_at),
            (JobState::Cancelled, Some(T + 1))
        );
        Ok(())
    });
}

#[test]
fn an_ended_job_is_retried_by_hand() {
    with_conn(|conn| {
        let job = executing(
            conn,
            NewJob {
                max_attempts: 1,
                ..unique("k")
            },
        )?;
        assert_eq!(jobs::retry(conn, job.id, T)?, None, "it executes");
        jobs::fail(conn, job.id, "a", error(), T, T)?;

        let retried = jobs::retry(conn, job.id, T + 5)?.unwrap();
        assert_eq!(
            (retried.state, retried.scheduled_at),
            (JobState::Available, T + 5)
        );
        assert_eq!((retried.finished_at, retried.max_attempts), (None, 2));
        assert!(jobs::retry(conn, job.id, T)?.is_some(), "it waits");

        jobs::cancel_waiting(conn, job.id, T)?;
        insert(conn, unique("k"), T)?;
        let refused = jobs::retry(conn, job.id, T).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Taken);
        assert_eq!(state(conn, job.id)?, JobState::Cancelled);

        let done = executing(conn, new("done"))?;
        jobs::complete(conn, done.id, "a", None, T)?;
        assert_eq!(jobs::retry(conn, done.id, T)?, None);
        Ok(())
    });
}

#[test]
fn old_ended_jobs_are_pruned() {
    with_conn(|conn| {
        let old = executing(conn, new("old"))?;
        jobs::complete(conn, old.id, "a", None, T + 1)?;
        let young = executing(conn, new("young"))?;
        jobs::cancel(conn, young.id, "a", error(), T + 2)?;
        let (waiting, _) = insert(conn, new("waiting"), T)?;

        assert_eq!(jobs::prune(conn, "other", T + 9)?, 0);
        assert_eq!(jobs::prune(conn, "main", T + 2)?, 1);
        assert_eq!(jobs::get(conn, old.id)?, None);
        assert_eq!(jobs::prune(conn, "main", T + 9)?, 1);
        assert_eq!(state(conn, waiting.id)?, JobState::Available);
        Ok(())
    });
}

#[test]
fn jobs_are_listed_and_counted() {
    with_conn(|conn| {
        let done = executing(conn, new("one"))?;
        jobs::complete(conn, done.id, "a", None, T)?;
        jobs::insert_all(
            conn,
            vec![
                new("two"),
                new("one"),
                NewJob::new("other", "x", json!(null)),
            ],
            T,
        )?;

        let main = JobFilter {
            instance: "main".into(),
            ..JobFilter::default()
        };
        assert_eq!(actions(&jobs::list(conn, &main)?), ["one", "two", "one"]);
        let some = JobFilter {
            states: vec![JobState::Available, JobState::Executing],
            action: Some("one".into()),
            limit: Some(5),
            ..main
        };
        let listed = jobs::list(conn, &some)?;
        assert_eq!((listed.len(), listed[0].state), (1, JobState::Available));

        let counts = jobs::counts(conn, "main")?;
        assert_eq!(counts.len(), JobState::ALL.len());
        assert_eq!(
            (counts[&JobState::Completed], counts[&JobState::Available]),
            (1, 2)
        );
        Ok(())
    });
}

/// A queue with a long backlog stays fast only as long as these are seeks.
#[test]
fn waiting_jobs_are_found_by_their_index() {
    with_conn(|conn| {
        let mut statement = conn.prepare(
            "EXPLAIN QUERY PLAN SELECT id FROM jobs \
             WHERE instance = ? AND priority = ? AND scheduled_at <= ? \
             AND state IN ('scheduled', 'available', 'retryable') ORDER BY scheduled_at, id",
        )?;
        let plan: Vec<String> = statement
            .query_map(["", "", ""], |row| row.get("detail"))?
            .collect::<std::result::Result<_, _>>()?;
        assert_eq!(plan.len(), 1, "no sorting: {plan:?}");
        assert!(plan[0].contains("jobs_waiting"), "{plan:?}");
        Ok(())
    });
}
