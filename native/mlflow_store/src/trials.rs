//! Trials: the application's side of the synchronisation.

use rusqlite::{Connection, params};
use serde_json::Value;

use crate::error::{ErrorKind, Result, StoreError};
use crate::points::{self, Point, RecordedPoint};
use crate::record::{self, Bump, Record};
use crate::tables::MODEL_TRIALS;
use crate::transaction::transaction;

/// Adds a trial and the metric points it comes with, in one transaction.
///
/// A point with a step is recorded as it is. One without is a final value: recorded only if the
/// latest point of that metric says otherwise.
pub fn create(conn: &Connection, trial: Record, points: &[Point], now: i64) -> Result<Record> {
    transaction(conn, |conn| {
        let created = record::insert(conn, &MODEL_TRIALS, trial, now)?;
        points::report(conn, record::id(&created), points, now)?;
        Ok(created)
    })
}

/// Changes a trial, found by its `id` or `trial_id`, and records points as [`create`] does.
/// `updated_at` moves only if a column changed or a point is new.
pub fn update(
    conn: &Connection,
    trial: &str,
    changes: Record,
    points: &[Point],
    now: i64,
) -> Result<Record> {
    transaction(conn, |conn| {
        let id = points::owner(conn, trial)?;
        let recorded = points::report(conn, &id, points, now)?;
        let bump = if recorded > 0 {
            Bump::Always
        } else {
            Bump::WhenChanged
        };
        record::revise(conn, &MODEL_TRIALS, &id, changes, bump, now)
    })
}

/// What a pull made of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulled {
    pub new_points: u64,
    /// The version of the trial that is in step: its new one, unless somebody wrote it meanwhile.
    pub version: i64,
}

/// A trial as it was when the pull was decided on: its version, which is its `updated_at`, and the
/// columns that a pull may write.
#[derive(Clone, Debug)]
pub struct AsRead {
    pub version: i64,
    pub columns: Record,
}

/// Writes what came from the server into a trial, unless somebody else has changed the very columns
/// since it was read: what they wrote would be lost, and nobody would know.
///
/// A map among the changes is merged into the one that is there: its entries are added or replace
/// their namesakes, and a null removes one.
pub fn pull(
    conn: &Connection,
    trial: &str,
    read: &AsRead,
    mut changes: Record,
    points: &[RecordedPoint],
    now: i64,
) -> Result<Pulled> {
    transaction(conn, |conn| {
        let id = points::owner(conn, trial)?;
        let current = record::get(conn, &MODEL_TRIALS, "id", id.as_str())?.unwrap_or_default();
        if changes
            .keys()
            .any(|column| current.get(column) != read.columns.get(column))
        {
            return Err(changed(trial));
        }
        let new_points = points::append_remote(conn, &id, points)?;
        for (column, value) in &mut changes {
            merge(value, current.get(column));
        }
        let is_as_read = current.get("updated_at").and_then(Value::as_i64) == Some(read.version);
        let written = record::update(conn, &MODEL_TRIALS, &id, changes, now)?;
        let written = written["updated_at"].as_i64().unwrap_or(read.version);
        Ok(Pulled {
            new_points,
            version: if is_as_read { written } else { read.version },
        })
    })
}

fn changed(trial: &str) -> StoreError {
    let message = format!(
        "trial {trial:?} was changed while it was compared with its run: the next sync merges both"
    );
    StoreError::new(ErrorKind::Changed, message)
}

fn merge(change: &mut Value, current: Option<&Value>) {
    if let Value::Object(entries) = change {
        let current = current.and_then(Value::as_object);
        let mut merged = current.cloned().unwrap_or_default();
        for (key, value) in std::mem::take(entries) {
            if value.is_null() {
                merged.remove(&key);
            } else {
                merged.insert(key, value);
            }
        }
        *entries = merged;
    }
}

/// By `id`, or else by `trial_id`.
pub fn find(conn: &Connection, trial: &str) -> Result<Option<Record>> {
    match record::get(conn, &MODEL_TRIALS, "id", trial)? {
        Some(found) => Ok(Some(found)),
        None => record::get(conn, &MODEL_TRIALS, "trial_id", trial),
    }
}

/// Notes which run a trial has become. The trial does not count as updated: nothing in it is new.
pub fn link(
    conn: &Connection,
    id: &str,
    mlflow_run_id: &str,
    artifact_uri: Option<&str>,
) -> Result<()> {
    let sql = "UPDATE model_trials SET mlflow_run_id = ?1, \
               artifact_uri = coalesce(artifact_uri, ?2) \
               WHERE id = ?3 AND (mlflow_run_id IS NOT ?1 OR artifact_uri IS NULL)";
    transaction(conn, |conn| {
        let noted = conn
            .prepare_cached(sql)?
            .execute(params![mlflow_run_id, artifact_uri, id])?;
        if noted > 0 {
            points::adopt(conn, mlflow_run_id, id)?;
        }
        Ok(())
    })
}

/// The trials of an experiment that have no run in MLflow yet, oldest first; `None` is for those
/// that name no experiment.
pub fn without_run(conn: &Connection, mlflow_experiment_id: Option<&str>) -> Result<Vec<Record>> {
    let sql = format!(
        "SELECT {all} FROM model_trials \
         LEFT JOIN mlflow_runs AS run ON run.model_trial_id = model_trials.id \
         WHERE model_trials.mlflow_experiment_id IS ? AND run.mlflow_run_id IS NULL \
         ORDER BY model_trials.inserted_at, model_trials.rowid",
        all = MODEL_TRIALS.select_list(),
    );
    let experiment = mlflow_experiment_id.map(str::to_owned).into();
    record::select(conn, &MODEL_TRIALS, &sql, [experiment])
}

/// Trials that want a sync: not in MLflow yet, still running, changed since the last sync, with
/// points the server has not seen, or failed in a way worth retrying. One that failed for good
/// comes back only when the trial was updated after that.
///
/// Those that were never attempted come first, then those whose last attempt is the longest ago, so
/// that no number of trials that fail again and again can keep the others waiting.
///
/// Nothing is missed if `synced_at`, and the `version` in a `sync_error`, are the `updated_at` of the
/// trial that was read for the sync: an update that arrived meanwhile is later.
pub fn due(conn: &Connection, limit: u32) -> Result<Vec<Record>> {
    let sql = format!(
        "SELECT {all} FROM model_trials \
         LEFT JOIN mlflow_runs AS run ON run.model_trial_id = model_trials.id \
         WHERE CASE \
           WHEN run.id IS NULL THEN TRUE \
           WHEN run.sync_error IS NOT NULL \
             AND coalesce(json_extract(run.sync_error, '$.retryable'), 0) = 0 \
           THEN model_trials.updated_at > \
             coalesce(json_extract(run.sync_error, '$.version'), run.updated_at) \
           ELSE run.sync_error IS NOT NULL \
             OR run.mlflow_run_id IS NULL \
             OR run.synced_at IS NULL \
             OR model_trials.updated_at > run.synced_at \
             OR model_trials.status IS NULL \
             OR model_trials.status IN ('pending', 'running') \
             OR EXISTS ( \
               SELECT 1 FROM trial_points AS point \
               WHERE point.trial_id = model_trials.id AND point.remote = 0 \
                 AND point.seq > coalesce(run.points_seq, 0) \
             ) \
         END \
         ORDER BY run.updated_at, model_trials.inserted_at, model_trials.rowid LIMIT ?",
        all = MODEL_TRIALS.select_list(),
    );
    record::select(conn, &MODEL_TRIALS, &sql, [i64::from(limit).into()])
}
