//! One job: its row, its states, and the moves between them.

use std::fmt;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Type, ValueRef};
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;
use crate::jobs::query;

/// How many errors a job remembers: one that is snoozed for days must not grow without bound.
const ERRORS_KEPT: usize = 20;

/// The states that the partial indexes and [`JobState::is_waiting`] agree on.
pub(crate) const WAITING: &str = "state IN ('scheduled', 'available', 'retryable')";

/// A job to insert.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    pub instance: String,
    pub action: String,
    pub args: Value,
    pub unique_key: Option<String>,
    pub lock_key: Option<String>,
    /// From 0, the most urgent, to 9.
    pub priority: u8,
    pub max_attempts: u32,
    /// `None` is at once.
    pub scheduled_at: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Job {
    pub id: i64,
    pub instance: String,
    pub action: String,
    pub args: Value,
    pub unique_key: Option<String>,
    pub lock_key: Option<String>,
    pub state: JobState,
    pub priority: u8,
    pub attempt: u32,
    pub max_attempts: u32,
    pub errors: Vec<ErrorEntry>,
    pub result: Option<Value>,
    pub scheduled_at: i64,
    pub inserted_at: i64,
    pub attempted_at: Option<i64>,
    pub attempted_by: Option<String>,
    pub lease_until: Option<i64>,
    pub finished_at: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Scheduled,
    Available,
    Executing,
    Retryable,
    Completed,
    Cancelled,
    Discarded,
}

/// Why an attempt did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobError {
    pub kind: String,
    pub message: String,
}

/// A [`JobError`] in the job's memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorEntry {
    pub attempt: u32,
    pub at: i64,
    pub kind: String,
    pub message: String,
}

impl NewJob {
    /// A job of ordinary priority, due at once, tried up to five times.
    pub fn new(instance: impl Into<String>, action: impl Into<String>, args: Value) -> Self {
        Self {
            instance: instance.into(),
            action: action.into(),
            args,
            unique_key: None,
            lock_key: None,
            priority: 2,
            max_attempts: 5,
            scheduled_at: None,
        }
    }
}

impl JobError {
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            message: message.into(),
        }
    }
}

impl JobState {
    pub const ALL: [Self; 7] = [
        Self::Scheduled,
        Self::Available,
        Self::Executing,
        Self::Retryable,
        Self::Completed,
        Self::Cancelled,
        Self::Discarded,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Available => "available",
            Self::Executing => "executing",
            Self::Retryable => "retryable",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Discarded => "discarded",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// What a job that may run from `at` on is, seen from `now`.
    pub(crate) fn due(at: i64, now: i64) -> Self {
        if at > now {
            Self::Scheduled
        } else {
            Self::Available
        }
    }

    pub const fn is_waiting(self) -> bool {
        matches!(self, Self::Scheduled | Self::Available | Self::Retryable)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ToSql for JobState {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for JobState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::from_name(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

impl Job {
    pub(crate) const COLUMNS: &str = "id, instance, action, args, unique_key, lock_key, state, \
        priority, attempt, max_attempts, errors, result, scheduled_at, inserted_at, attempted_at, \
        attempted_by, lease_until, finished_at";

    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            instance: row.get("instance")?,
            action: row.get("action")?,
            args: json(row, "args")?.unwrap_or_default(),
            unique_key: row.get("unique_key")?,
            lock_key: row.get("lock_key")?,
            state: row.get("state")?,
            priority: row.get("priority")?,
            attempt: row.get("attempt")?,
            max_attempts: row.get("max_attempts")?,
            errors: json(row, "errors")?.unwrap_or_default(),
            result: json(row, "result")?,
            scheduled_at: row.get("scheduled_at")?,
            inserted_at: row.get("inserted_at")?,
            attempted_at: row.get("attempted_at")?,
            attempted_by: row.get("attempted_by")?,
            lease_until: row.get("lease_until")?,
            finished_at: row.get("finished_at")?,
        })
    }

    /// Remembers an error of the current attempt.
    pub(crate) fn note(&mut self, error: JobError, now: i64) {
        let JobError { kind, message } = error;
        self.errors.push(ErrorEntry {
            attempt: self.attempt,
            at: now,
            kind,
            message,
        });
        let excess = self.errors.len().saturating_sub(ERRORS_KEPT);
        self.errors.drain(..excess);
    }

    pub(crate) fn start(&mut self, owner: &str, now: i64, lease_ms: i64) {
        self.state = JobState::Executing;
        self.attempt += 1;
        self.attempted_at = Some(now);
        self.attempted_by = Some(owner.to_owned());
        self.lease_until = Some(now + lease_ms);
    }

    /// Back to waiting, to run from `at` on.
    pub(crate) fn wait(&mut self, state: JobState, at: i64) {
        self.state = state;
        self.scheduled_at = at;
        self.lease_until = None;
        self.finished_at = None;
    }

    pub(crate) fn finish(&mut self, state: JobState, now: i64) {
        self.state = state;
        self.lease_until = None;
        self.finished_at = Some(now);
    }

    pub(crate) const fn is_exhausted(&self) -> bool {
        self.attempt >= self.max_attempts
    }

    /// The attempt does not count: it ended for no fault of the job's.
    pub(crate) const fn give_attempt_back(&mut self) {
        self.attempt = self.attempt.saturating_sub(1);
    }

    /// Writes what may have changed. A job that would wait beside one with the same unique key is
    /// cancelled instead: the other will do its work.
    pub(crate) fn save(mut self, conn: &Connection, now: i64) -> Result<Self> {
        if let Some(twin) = query::waiting_twin(conn, &self)? {
            let message = format!("superseded by job {}", twin.id);
            self.note(JobError::new("superseded", message), now);
            self.finish(JobState::Cancelled, now);
        }

        let sql = "UPDATE jobs SET state = ?, attempt = ?, max_attempts = ?, errors = ?, \
                   result = ?, scheduled_at = ?, attempted_at = ?, attempted_by = ?, \
                   lease_until = ?, finished_at = ? WHERE id = ?";
        conn.prepare_cached(sql)?.execute(params![
            self.state,
            self.attempt,
            self.max_attempts,
            serde_json::json!(self.errors).to_string(),
            self.result.as_ref().map(Value::to_string),
            self.scheduled_at,
            self.attempted_at,
            self.attempted_by,
            self.lease_until,
            self.finished_at,
            self.id,
        ])?;
        Ok(self)
    }
}

fn json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    column: &str,
) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|error| {
            let index = row.as_ref().column_index(column).unwrap_or_default();
            rusqlite::Error::FromSqlConversionFailure(index, Type::Text, error.into())
        })
}
