//! How an attempt ended. Each answers `None`, and changes nothing, if `owner` no longer has the
//! lease: somebody else runs the job by now, or has ended it.

use rusqlite::{Connection, params};
use serde_json::Value;

use crate::error::Result;
use crate::jobs::job::{Job, JobError, JobState};
use crate::jobs::query;
use crate::transaction::transaction;

pub fn complete(
    conn: &Connection,
    id: i64,
    owner: &str,
    result: Option<Value>,
    now: i64,
) -> Result<Option<Job>> {
    end(conn, id, owner, now, |job| {
        job.result = result;
        job.finish(JobState::Completed, now);
    })
}

/// The job failed in a way that trying again cannot mend.
pub fn cancel(
    conn: &Connection,
    id: i64,
    owner: &str,
    error: JobError,
    now: i64,
) -> Result<Option<Job>> {
    end(conn, id, owner, now, |job| {
        job.note(error, now);
        job.finish(JobState::Cancelled, now);
    })
}

/// The attempt failed; the job is tried again from `retry_at` on, or discarded if this was the last.
pub fn fail(
    conn: &Connection,
    id: i64,
    owner: &str,
    error: JobError,
    retry_at: i64,
    now: i64,
) -> Result<Option<Job>> {
    end(conn, id, owner, now, |job| {
        job.note(error, now);
        if job.is_exhausted() {
            job.finish(JobState::Discarded, now);
        } else {
            job.wait(JobState::Retryable, retry_at);
        }
    })
}

/// The server asked to be left alone until `until`: the attempt does not count.
pub fn snooze(
    conn: &Connection,
    id: i64,
    owner: &str,
    until: i64,
    error: JobError,
    now: i64,
) -> Result<Option<Job>> {
    end(conn, id, owner, now, |job| {
        job.note(error, now);
        job.give_attempt_back();
        job.wait(JobState::Scheduled, until);
    })
}

fn end(
    conn: &Connection,
    id: i64,
    owner: &str,
    now: i64,
    how: impl FnOnce(&mut Job),
) -> Result<Option<Job>> {
    let leased = "id = ? AND state = 'executing' AND attempted_by = ?";
    transaction(conn, |conn| {
        let Some(mut job) = query::select(conn, leased, params![id, owner])?.pop() else {
            return Ok(None);
        };
        how(&mut job);
        job.save(conn, now).map(Some)
    })
}
