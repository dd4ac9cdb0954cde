//! Metric points: the history, and the latest point of each key beside it.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row};

use super::entities::Metric;
use super::error::Result;

/// A point as it is stored: a value that is no number is 0 and marked, and an infinite one the
/// largest number, as MLflow's SQL store has it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stored {
    value: f64,
    is_nan: bool,
    timestamp: i64,
    step: i64,
}

impl Stored {
    fn new(metric: &Metric) -> Self {
        let is_nan = metric.value.is_nan();
        let value = if is_nan {
            0.0
        } else {
            metric.value.clamp(f64::MIN, f64::MAX)
        };
        Self {
            // Negative zero would be another key of the same number.
            value: value + 0.0,
            is_nan,
            timestamp: metric.timestamp,
            step: metric.step,
        }
    }

    /// By step, time and value, as MLflow compares them.
    fn is_later_than(&self, other: &Self) -> bool {
        (self.step, self.timestamp, self.value) > (other.step, other.timestamp, other.value)
    }
}

/// Adds the points that are not there yet. The latest of each key is written once, however many
/// points came.
pub fn append(conn: &Connection, run_no: i64, points: &[Metric]) -> Result<()> {
    let mut insert =
        conn.prepare_cached("INSERT OR IGNORE INTO metrics VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let mut keys = HashMap::new();
    let mut latest: Vec<(i64, Stored)> = Vec::new();

    for metric in points {
        let point = Stored::new(metric);
        let place = match keys.get(metric.key.as_str()) {
            Some(place) => *place,
            None => {
                latest.push((key_no(conn, &metric.key)?, point));
                keys.insert(metric.key.as_str(), latest.len() - 1);
                latest.len() - 1
            }
        };
        let (key_no, newest) = &mut latest[place];
        if point.is_later_than(newest) {
            *newest = point;
        }
        insert.execute((
            run_no,
            *key_no,
            point.timestamp,
            point.step,
            point.value,
            point.is_nan,
        ))?;
    }
    latest
        .iter()
        .try_for_each(|(key_no, point)| put_latest(conn, run_no, *key_no, point))
}

pub(crate) fn load(row: &Row) -> rusqlite::Result<Metric> {
    let is_nan: bool = row.get(4)?;
    Ok(Metric {
        key: row.get(0)?,
        value: if is_nan { f64::NAN } else { row.get(1)? },
        timestamp: row.get(2)?,
        step: row.get(3)?,
    })
}

fn key_no(conn: &Connection, key: &str) -> Result<i64> {
    let known = conn
        .prepare_cached("SELECT key_no FROM metric_keys WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    if let Some(key_no) = known {
        return Ok(key_no);
    }
    conn.prepare_cached("INSERT INTO metric_keys (key) VALUES (?1)")?
        .execute([key])?;
    Ok(conn.last_insert_rowid())
}

fn put_latest(conn: &Connection, run_no: i64, key_no: i64, point: &Stored) -> Result<()> {
    let sql = "INSERT INTO latest_metrics VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
               ON CONFLICT (run_no, key_no) DO UPDATE SET \
               value = excluded.value, timestamp = excluded.timestamp, \
               step = excluded.step, is_nan = excluded.is_nan \
               WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)";
    conn.prepare_cached(sql)?.execute((
        run_no,
        key_no,
        point.value,
        point.timestamp,
        point.step,
        point.is_nan,
    ))?;
    Ok(())
}
