//! How jobs enter the queue.

use rusqlite::{Connection, params};

use crate::error::{Result, StoreError};
use crate::jobs::job::{Job, JobState, NewJob};
use crate::jobs::query;
use crate::transaction::transaction;

/// Inserts all of the jobs or none. Each comes back with whether there was a conflict: an equal job
/// (same instance and unique key) was waiting already, and is the one returned. A waiting job that
/// was scheduled for later and never attempted is moved to the earlier time.
pub fn insert_all(conn: &Connection, jobs: Vec<NewJob>, now: i64) -> Result<Vec<(Job, bool)>> {
    transaction(conn, |conn| {
        jobs.into_iter().map(|job| insert(conn, job, now)).collect()
    })
}

fn insert(conn: &Connection, new: NewJob, now: i64) -> Result<(Job, bool)> {
    validate(&new)?;
    let at = new.scheduled_at.unwrap_or(now);
    let waiting = match &new.unique_key {
        Some(key) => query::waiting(conn, &new.instance, key)?,
        None => None,
    };

    match waiting {
        Some(waiting) => Ok((move_earlier(conn, waiting, at, now)?, true)),
        None => Ok((add(conn, new, at, now)?, false)),
    }
}

/// A job that was attempted before waits for a reason: the server asked for it.
fn move_earlier(conn: &Connection, mut job: Job, at: i64, now: i64) -> Result<Job> {
    let untried = job.state == JobState::Scheduled && job.attempted_at.is_none();
    if !untried || at >= job.scheduled_at {
        return Ok(job);
    }
    job.wait(JobState::due(at, now), at);
    job.save(conn, now)
}

fn add(conn: &Connection, new: NewJob, at: i64, now: i64) -> Result<Job> {
    let sql = format!(
        "INSERT INTO jobs (instance, action, args, unique_key, lock_key, state, priority, attempt, \
         max_attempts, errors, scheduled_at, inserted_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, '[]', ?, ?) RETURNING {}",
        Job::COLUMNS
    );
    let values = params![
        new.instance,
        new.action,
        new.args.to_string(),
        new.unique_key,
        new.lock_key,
        JobState::due(at, now),
        new.priority,
        new.max_attempts,
        at,
        now,
    ];
    Ok(conn
        .prepare_cached(&sql)?
        .query_row(values, Job::from_row)?)
}

fn validate(job: &NewJob) -> Result<()> {
    if job.priority > 9 {
        let given = job.priority;
        return Err(StoreError::invalid(format!(
            "priority {given}: give one from 0 (first) to 9"
        )));
    }
    if job.max_attempts == 0 {
        return Err(StoreError::invalid("max_attempts 0: give at least 1"));
    }
    Ok(())
}
