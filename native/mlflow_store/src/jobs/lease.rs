//! Who runs which job, and for how long.

use std::collections::HashSet;

use rusqlite::{Connection, params};
use serde_json::Value;

use crate::error::Result;
use crate::jobs::job::{Job, JobError, JobState, WAITING};
use crate::jobs::query;
use crate::owner;
use crate::transaction::transaction;

/// Leases up to `limit` due jobs to `owner`, by priority, time and id. A job whose lock key is held
/// by an executing job of the instance, whoever runs it, is passed over.
pub fn fetch(
    conn: &Connection,
    instance: &str,
    owner: &str,
    limit: u32,
    now: i64,
    lease_ms: i64,
) -> Result<Vec<Job>> {
    transaction(conn, |conn| {
        let due = pick(conn, instance, limit as usize, now)?;
        due.into_iter()
            .map(|mut job| {
                job.start(owner, now, lease_ms);
                job.save(conn, now)
            })
            .collect()
    })
}

/// Prolongs the leases that `owner` has on these jobs, and answers how many.
pub fn renew(conn: &Connection, owner: &str, ids: &[i64], now: i64, lease_ms: i64) -> Result<u64> {
    let ids: Value = ids.iter().copied().collect();
    transaction(conn, |conn| {
        let sql = "UPDATE jobs SET lease_until = ? WHERE state = 'executing' AND attempted_by = ? \
                   AND id IN (SELECT value FROM json_each(?))";
        let mut statement = conn.prepare_cached(sql)?;
        Ok(statement.execute(params![now + lease_ms, owner, ids.to_string()])? as u64)
    })
}

/// Takes jobs away from owners that are gone or whose lease ran out, and answers how many:
/// available again behind all others, lest it was they that their owner died of, or discarded if
/// that was their last attempt.
pub fn rescue(conn: &Connection, instance: &str, now: i64) -> Result<u64> {
    transaction(conn, |conn| {
        let leased = "instance = ? AND state = 'executing' ORDER BY id";
        let mut jobs = query::select(conn, leased, [instance])?;
        jobs.retain(|job| is_abandoned(job, now));
        let count = jobs.len() as u64;
        for mut job in jobs {
            job.note(JobError::new("worker_died", "the worker died"), now);
            if job.is_exhausted() {
                job.finish(JobState::Discarded, now);
            } else {
                job.wait(JobState::Available, now);
            }
            job.save(conn, now)?;
        }
        Ok(count)
    })
}

fn is_abandoned(job: &Job, now: i64) -> bool {
    job.lease_until.is_none_or(|until| until < now)
        || job.attempted_by.as_deref().is_some_and(owner::is_gone)
}

/// Gives back every job of an owner that stops in good order, and the attempt with it; answers how
/// many.
pub fn release(conn: &Connection, owner: &str, now: i64) -> Result<u64> {
    let leased = "state = 'executing' AND attempted_by = ? ORDER BY id";
    transaction(conn, |conn| {
        let jobs = query::select(conn, leased, [owner])?;
        let count = jobs.len() as u64;
        for mut job in jobs {
            job.give_attempt_back();
            job.wait(JobState::Available, job.scheduled_at);
            job.save(conn, now)?;
        }
        Ok(count)
    })
}

/// The jobs to take: one seek per priority, reading no further than needed.
fn pick(conn: &Connection, instance: &str, limit: usize, now: i64) -> Result<Vec<Job>> {
    let sql = format!(
        "SELECT {} FROM jobs WHERE instance = ? AND priority = ? AND scheduled_at <= ? \
         AND {WAITING} ORDER BY scheduled_at, id",
        Job::COLUMNS
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let mut locked = locked(conn, instance)?;
    let mut picked = Vec::new();
    for priority in 0..=9 {
        let mut rows = statement.query(params![instance, priority, now])?;
        while picked.len() < limit
            && let Some(row) = rows.next()?
        {
            let job = Job::from_row(row)?;
            if job.lock_key.clone().is_none_or(|key| locked.insert(key)) {
                picked.push(job);
            }
        }
    }
    Ok(picked)
}

fn locked(conn: &Connection, instance: &str) -> Result<HashSet<String>> {
    let sql = "SELECT lock_key FROM jobs \
               WHERE instance = ? AND state = 'executing' AND lock_key IS NOT NULL";
    let mut statement = conn.prepare_cached(sql)?;
    let keys = statement.query_map([instance], |row| row.get(0))?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}
