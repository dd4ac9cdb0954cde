//! What an operator, or a cleaner, does to jobs that do not execute.

use rusqlite::{Connection, params};

use crate::error::{ErrorKind, Result, StoreError};
use crate::jobs::job::{Job, JobState};
use crate::jobs::query;
use crate::transaction::transaction;

/// Cancels a job that waits; `None` if it does not.
pub fn cancel_waiting(conn: &Connection, id: i64, now: i64) -> Result<Option<Job>> {
    transaction(conn, |conn| match query::get(conn, id)? {
        Some(mut job) if job.state.is_waiting() => {
            job.finish(JobState::Cancelled, now);
            job.save(conn, now).map(Some)
        }
        _ => Ok(None),
    })
}

/// Makes a job that does not execute and is not completed available at once, with one more attempt
/// if it had none left; `None` for any other. Refused while an equal job waits.
pub fn retry(conn: &Connection, id: i64, now: i64) -> Result<Option<Job>> {
    transaction(conn, |conn| {
        let Some(mut job) = query::get(conn, id)? else {
            return Ok(None);
        };
        if matches!(job.state, JobState::Executing | JobState::Completed) {
            return Ok(None);
        }
        job.wait(JobState::Available, now);
        job.max_attempts = job.max_attempts.max(job.attempt + 1);
        if let Some(twin) = query::waiting_twin(conn, &job)? {
            let message = format!(
                "job {} waits to do the same: retry that one instead",
                twin.id
            );
            return Err(StoreError::new(ErrorKind::Taken, message));
        }
        job.save(conn, now).map(Some)
    })
}

/// Deletes the instance's jobs that ended before `before`, and answers how many.
pub fn prune(conn: &Connection, instance: &str, before: i64) -> Result<u64> {
    transaction(conn, |conn| {
        let sql = "DELETE FROM jobs WHERE instance = ? AND finished_at < ?";
        Ok(conn
            .prepare_cached(sql)?
            .execute(params![instance, before])? as u64)
    })
}
