//! The history of every metric of a trial, and the outbox of what MLflow has not seen yet.
//!
//! A point's timestamp is fixed when it is recorded and kept, so that a replay is absorbed here and
//! by the server. Its `seq` only grows; the highest one the server has is the run's watermark.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Result, StoreError};
use crate::record::{self, Bump, Record};
use crate::tables::MODEL_TRIALS;
use crate::transaction::transaction;

/// A metric value as it is given, with whatever the caller knows of its step and time.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub key: String,
    pub value: f64,
    pub step: Option<i64>,
    pub timestamp: Option<i64>,
}

/// A metric value as it is kept, and as MLflow identifies it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedPoint {
    pub key: String,
    pub value: f64,
    pub step: i64,
    pub timestamp: i64,
}

/// Points that the server has not seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unsent {
    pub points: Vec<RecordedPoint>,
    /// The watermark that stands for having pushed them all.
    pub seq: i64,
    /// Whether there are more after it.
    pub more: bool,
}

/// Which side a point was recorded on first.
#[derive(Clone, Copy)]
enum Origin {
    Local,
    /// Pulled from the server, and so never pushed.
    Remote,
}

impl Point {
    /// A value at a step.
    pub fn at(key: impl Into<String>, value: f64, step: i64) -> Self {
        Self {
            key: key.into(),
            value,
            step: Some(step),
            timestamp: None,
        }
    }

    /// A final value, of which the step is not known.
    pub fn last(key: impl Into<String>, value: f64) -> Self {
        Self {
            key: key.into(),
            value,
            step: None,
            timestamp: None,
        }
    }
}

/// Records the points of a training loop for the trial with this `id` or `trial_id`, and answers
/// how many are new. A point without a step is at step 0, as in MLflow; without a timestamp, at
/// `now`. The trial counts as updated if something was new.
pub fn append(conn: &Connection, trial: &str, points: &[Point], now: i64) -> Result<u64> {
    transaction(conn, |conn| {
        let id = owner(conn, trial)?;
        let mut recorded = 0;
        for point in points {
            let step = point.step.unwrap_or(0);
            recorded += keep(conn, &id, &point.recorded_at(step, now), Origin::Local)?;
        }
        if recorded > 0 {
            record::revise(conn, &MODEL_TRIALS, &id, Record::new(), Bump::Always, now)?;
        }
        Ok(recorded)
    })
}

/// Records points that came from the server, and answers how many are new. The trial does not
/// count as updated: there is nothing in them to push.
pub fn append_remote(conn: &Connection, trial: &str, points: &[RecordedPoint]) -> Result<u64> {
    transaction(conn, |conn| {
        let id = owner(conn, trial)?;
        points
            .iter()
            .map(|point| keep(conn, &id, point, Origin::Remote))
            .sum()
    })
}

/// Records the points that were reported along with a trial, and answers how many are new.
///
/// One without a step is the metric's final value: nothing new when it equals the latest point,
/// else recorded at that point's step.
pub(crate) fn report(conn: &Connection, id: &str, points: &[Point], now: i64) -> Result<u64> {
    let mut recorded = 0;
    for point in points {
        let point = match point.step {
            Some(step) => Some(point.recorded_at(step, now)),
            None => final_value(point, latest(conn, id, &point.key)?, now),
        };
        if let Some(point) = point {
            recorded += keep(conn, id, &point, Origin::Local)?;
        }
    }
    Ok(recorded)
}

/// What the server has not seen: the points recorded here after `seq`, in order, and no more than
/// `limit` of them.
pub fn after(conn: &Connection, trial: &str, seq: i64, limit: Option<u32>) -> Result<Unsent> {
    let id = owner(conn, trial)?;
    let mut unsent = Unsent {
        seq,
        ..Unsent::default()
    };
    let sql = "SELECT key, value, is_nan, step, timestamp, seq FROM trial_points \
               WHERE trial_id = ? AND seq > ? AND remote = 0 ORDER BY seq LIMIT ?";
    let mut statement = conn.prepare_cached(sql)?;
    // One more than wanted tells whether there are more.
    let read = limit.map_or(-1, |limit| i64::from(limit) + 1);
    let mut rows = statement.query(params![id, seq, read])?;
    while let Some(row) = rows.next()? {
        if limit.is_some_and(|limit| unsent.points.len() == limit as usize) {
            unsent.more = true;
            break;
        }
        unsent.points.push(RecordedPoint::from_row(row)?);
        unsent.seq = row.get("seq")?;
    }
    Ok(unsent)
}

/// Every point of the trial, or of one of its metrics, by key, step and time.
pub fn history(conn: &Connection, trial: &str, key: Option<&str>) -> Result<Vec<RecordedPoint>> {
    let id = owner(conn, trial)?;
    series(conn, "trial_points", "trial_id", &id, key)
}

fn series(
    conn: &Connection,
    table: &str,
    column: &str,
    id: &str,
    key: Option<&str>,
) -> Result<Vec<RecordedPoint>> {
    let of_key = if key.is_some() {
        "key = ?2"
    } else {
        "?2 IS NULL"
    };
    let sql = format!(
        "SELECT key, value, is_nan, step, timestamp FROM {table} \
         WHERE {column} = ?1 AND {of_key} ORDER BY key, step, timestamp, value"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let points = statement
        .query_map(params![id, key], RecordedPoint::from_row)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(points)
}

/// Records points of a run that has no trial here, and answers how many are new.
pub fn append_of_run(conn: &Connection, run: &str, points: &[RecordedPoint]) -> Result<u64> {
    let sql = "INSERT INTO run_points (mlflow_run_id, key, value, is_nan, step, timestamp) \
               VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
    transaction(conn, |conn| {
        let mut statement = conn.prepare_cached(sql)?;
        let mut recorded = 0;
        for point in points {
            let (value, is_nan) = point.stored();
            recorded += statement.execute(params![
                run,
                point.key,
                value,
                is_nan,
                point.step,
                point.timestamp
            ])? as u64;
        }
        Ok(recorded)
    })
}

/// Every point of a run, or of one of its metrics, as [`history`] has them: those of its trial
/// where it has one here.
pub fn history_of_run(
    conn: &Connection,
    run: &str,
    key: Option<&str>,
) -> Result<Vec<RecordedPoint>> {
    let linked = "SELECT trial.id FROM mlflow_runs AS run \
                  JOIN model_trials AS trial ON trial.id = run.model_trial_id \
                  WHERE run.mlflow_run_id = ?";
    let mut statement = conn.prepare_cached(linked)?;
    let trial: Option<String> = statement.query_row([run], |row| row.get(0)).optional()?;
    match trial {
        Some(trial) => series(conn, "trial_points", "trial_id", &trial, key),
        None => series(conn, "run_points", "mlflow_run_id", run, key),
    }
}

/// What was recorded of a run becomes its trial's.
pub(crate) fn adopt(conn: &Connection, run: &str, trial: &str) -> Result<()> {
    let adopt = "INSERT INTO trial_points (trial_id, key, value, is_nan, step, timestamp, remote) \
                 SELECT ?2, key, value, is_nan, step, timestamp, TRUE FROM run_points \
                 WHERE mlflow_run_id = ?1 ON CONFLICT DO NOTHING";
    conn.prepare_cached(adopt)?.execute([run, trial])?;
    let drop = "DELETE FROM run_points WHERE mlflow_run_id = ?";
    conn.prepare_cached(drop)?.execute([run])?;
    Ok(())
}

impl Point {
    fn recorded_at(&self, step: i64, now: i64) -> RecordedPoint {
        RecordedPoint {
            key: self.key.clone(),
            value: self.value,
            step,
            timestamp: self.timestamp.unwrap_or(now),
        }
    }
}

impl RecordedPoint {
    /// The value as it is kept, and whether that stands for NaN, which SQLite has no number for.
    fn stored(&self) -> (f64, bool) {
        if self.value.is_nan() {
            (0.0, true)
        } else {
            (canonical(self.value), false)
        }
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let value = if row.get("is_nan")? {
            f64::NAN
        } else {
            row.get("value")?
        };
        Ok(Self {
            key: row.get("key")?,
            value,
            step: row.get("step")?,
            timestamp: row.get("timestamp")?,
        })
    }
}

/// The point to record for a final value, if it is news.
fn final_value(given: &Point, latest: Option<RecordedPoint>, now: i64) -> Option<RecordedPoint> {
    let Some(latest) = latest else {
        return Some(given.recorded_at(0, now));
    };
    if same(latest.value, given.value) {
        return None;
    }
    // A time of our own choosing is later than the latest point's, or MLflow, which orders by step
    // and time, would go on showing that one.
    Some(given.recorded_at(latest.step, now.max(latest.timestamp + 1)))
}

/// The point that MLflow shows as the metric's value: it orders them the same way.
pub(crate) fn latest(conn: &Connection, id: &str, key: &str) -> Result<Option<RecordedPoint>> {
    let sql = "SELECT key, value, is_nan, step, timestamp FROM trial_points \
               WHERE trial_id = ? AND key = ? \
               ORDER BY step DESC, timestamp DESC, value DESC LIMIT 1";
    Ok(conn
        .prepare_cached(sql)?
        .query_row([id, key], RecordedPoint::from_row)
        .optional()?)
}

/// 1 if the point is new, 0 if it was recorded before, on either side.
fn keep(conn: &Connection, id: &str, point: &RecordedPoint, origin: Origin) -> Result<u64> {
    let (value, is_nan) = point.stored();
    let sql = "INSERT INTO trial_points (trial_id, key, value, is_nan, step, timestamp, remote) \
               VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
    let remote = matches!(origin, Origin::Remote);
    let recorded = conn.prepare_cached(sql)?.execute(params![
        id,
        point.key,
        value,
        is_nan,
        point.step,
        point.timestamp,
        remote
    ])?;
    Ok(u64::from(recorded > 0))
}

/// MLflow keeps an infinity as the largest finite number and hands that back: the same point must
/// not look like two.
fn canonical(value: f64) -> f64 {
    if value.abs() == f64::MAX {
        f64::INFINITY.copysign(value)
    } else {
        value
    }
}

fn same(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan()) || canonical(a) == canonical(b)
}

/// The `id` of the trial that `trial` names by its `id` or `trial_id`.
pub(crate) fn owner(conn: &Connection, trial: &str) -> Result<String> {
    let sql =
        "SELECT id FROM model_trials WHERE id = ?1 OR trial_id = ?1 ORDER BY id <> ?1 LIMIT 1";
    let id = conn
        .prepare_cached(sql)?
        .query_row([trial], |row| row.get(0))
        .optional()?;
    id.ok_or_else(|| StoreError::not_found(MODEL_TRIALS.name, trial))
}
