//! Metric points: the history, and the latest point of each key beside it.

pub mod history;
pub mod models;
mod points;
mod table;

use rusqlite::{Connection, OptionalExtension, Row};

use super::entities::Metric;
use super::error::Result;
use super::runs;
use super::validate::{self, Place};

pub use models::ModelMetric;
pub use points::{Gathered, Point, Points};

/// Logs one point; answers the number of the run's experiment.
pub fn log(
    conn: &Connection,
    run_id: &str,
    metric: &Metric,
    model: Option<&ModelMetric>,
) -> Result<i64> {
    let Metric {
        key,
        value,
        timestamp,
        ..
    } = metric;
    validate::metric(Place::Alone, key, *value, *timestamp, false)?;
    let row = runs::find_active(conn, run_id)?;
    if let Some(model) = model {
        models::log(conn, run_id, model)?;
    }
    append(conn, row.run_no, &Points::from_iter([metric]))?;
    Ok(row.experiment_id)
}

/// Adds the points that are not there yet. The latest of each key is written once, however many
/// points came.
pub fn append(conn: &Connection, run_no: i64, points: &Points) -> Result<()> {
    let numbers = key_nos(conn, points)?;
    let sorted = points.sorted(&numbers);
    table::add(conn, run_no, &sorted, numbers.len())?;
    let mut put = conn.prepare_cached(PUT_LATEST)?;
    for of_key in sorted.chunk_by(|(one, _), (other, _)| one == other) {
        // Of equals the first, as of a point that is there and one that comes.
        let latest = of_key.iter().reduce(|latest, next| {
            if next.1.age(&latest.1).is_gt() {
                next
            } else {
                latest
            }
        });
        if let Some((key_no, point)) = latest {
            put.execute((
                run_no,
                key_no,
                point.value,
                point.timestamp,
                point.step,
                point.is_nan,
            ))?;
        }
    }
    Ok(())
}

const PUT_LATEST: &str = "INSERT INTO latest_metrics VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
    ON CONFLICT (run_no, key_no) DO UPDATE SET \
    value = excluded.value, timestamp = excluded.timestamp, \
    step = excluded.step, is_nan = excluded.is_nan \
    WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)";

pub(crate) fn load(row: &Row) -> rusqlite::Result<Metric> {
    let is_nan: bool = row.get(4)?;
    Ok(Metric {
        key: row.get(0)?,
        value: if is_nan { f64::NAN } else { row.get(1)? },
        timestamp: row.get(2)?,
        step: row.get(3)?,
    })
}

fn key_nos(conn: &Connection, points: &Points) -> Result<Vec<i64>> {
    let mut known = conn.prepare_cached(KEY_NO)?;
    let mut number = |key| {
        let found = known.query_row([key], |row| row.get(0)).optional()?;
        if let Some(key_no) = found {
            return Ok(key_no);
        }
        conn.prepare_cached("INSERT INTO metric_keys (key) VALUES (?1)")?
            .execute([key])?;
        Ok(conn.last_insert_rowid())
    };
    points.keys().map(&mut number).collect()
}

const KEY_NO: &str = "SELECT key_no FROM metric_keys WHERE key = ?1";

fn known_key_no(conn: &Connection, key: &str) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached(KEY_NO)?
        .query_row([key], |row| row.get(0))
        .optional()?)
}
