//! Looking at jobs without changing them.

use std::collections::BTreeMap;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, Params, params_from_iter};

use crate::error::Result;
use crate::jobs::job::{Job, JobState, WAITING};

/// Which jobs to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    pub instance: String,
    /// Empty is any.
    pub states: Vec<JobState>,
    pub action: Option<String>,
    pub limit: Option<u32>,
}

pub fn get(conn: &Connection, id: i64) -> Result<Option<Job>> {
    Ok(select(conn, "id = ?", [id])?.pop())
}

pub fn list(conn: &Connection, filter: &JobFilter) -> Result<Vec<Job>> {
    let mut condition = "instance = ?".to_owned();
    let mut values = vec![Sql::from(filter.instance.clone())];
    if !filter.states.is_empty() {
        let marks = vec!["?"; filter.states.len()].join(", ");
        condition += &format!(" AND state IN ({marks})");
        values.extend(
            filter
                .states
                .iter()
                .map(|state| state.as_str().to_owned().into()),
        );
    }
    if let Some(action) = &filter.action {
        condition += " AND action = ?";
        values.push(action.clone().into());
    }
    condition += " ORDER BY id DESC LIMIT ?";
    values.push(filter.limit.map_or(-1, i64::from).into());
    select(conn, &condition, params_from_iter(values))
}

/// How many jobs of the instance are in each state; every state is there.
pub fn counts(conn: &Connection, instance: &str) -> Result<BTreeMap<JobState, u64>> {
    let sql = "SELECT state, count(*) FROM jobs WHERE instance = ? GROUP BY state";
    let mut statement = conn.prepare_cached(sql)?;
    let counted = statement.query_map([instance], |row| Ok((row.get(0)?, row.get(1)?)))?;

    let mut counts = BTreeMap::from(JobState::ALL.map(|state| (state, 0)));
    for count in counted {
        let (state, count): (JobState, u32) = count?;
        counts.insert(state, count.into());
    }
    Ok(counts)
}

/// When the next job can be fetched. Jobs behind a held lock do not count: the end of the job that
/// holds it is the time to look again.
pub fn next_due(conn: &Connection, instance: &str) -> Result<Option<i64>> {
    // One seek per priority, like `fetch`, however many jobs wait.
    let sql = format!(
        "SELECT min(( \
           SELECT scheduled_at FROM jobs \
           WHERE instance = ?1 AND priority = column1 AND {WAITING} \
             AND (lock_key IS NULL OR lock_key NOT IN ( \
               SELECT lock_key FROM jobs \
               WHERE instance = ?1 AND state = 'executing' AND lock_key IS NOT NULL)) \
           ORDER BY scheduled_at LIMIT 1 \
         )) FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9))"
    );
    Ok(conn
        .prepare_cached(&sql)?
        .query_row([instance], |row| row.get(0))?)
}

/// The waiting job with this unique key.
pub(crate) fn waiting(conn: &Connection, instance: &str, unique_key: &str) -> Result<Option<Job>> {
    let condition = format!("instance = ? AND unique_key = ? AND {WAITING}");
    Ok(select(conn, &condition, [instance, unique_key])?.pop())
}

/// Another job that waits to do what `job`, about to wait, would do.
pub(crate) fn waiting_twin(conn: &Connection, job: &Job) -> Result<Option<Job>> {
    match &job.unique_key {
        Some(key) if job.state.is_waiting() => {
            let twin = waiting(conn, &job.instance, key)?;
            Ok(twin.filter(|twin| twin.id != job.id))
        }
        _ => Ok(None),
    }
}

/// Every job that meets the condition, which is SQL of our own.
pub(crate) fn select(conn: &Connection, condition: &str, values: impl Params) -> Result<Vec<Job>> {
    let sql = format!("SELECT {} FROM jobs WHERE {condition}", Job::COLUMNS);
    let mut statement = conn.prepare_cached(&sql)?;
    let jobs = statement.query_map(values, Job::from_row)?;
    Ok(jobs.collect::<rusqlite::Result<_>>()?)
}
