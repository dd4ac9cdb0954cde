//! Metric points: the history, and the latest point of each key beside it.

pub mod history;
pub mod models;
mod points;

use rusqlite::{Connection, OptionalExtension, Row};

use super::entities::Metric;
use super::error::Result;
use super::runs;
use super::validate::{self, Place};

pub use models::ModelMetric;
pub use points::{Gathered, Point, Points};

/// What one statement adds: a statement of its own for every point would cost as much again.
const ROWS: usize = 32;

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
    let numbers = points.keys().map(|key| key_no(conn, key));
    let numbers = numbers.collect::<Result<Vec<_>>>()?;
    let sorted = points.sorted(&numbers);
    insert(conn, run_no, &sorted)?;
    let mut put = conn.prepare_cached(PUT_LATEST)?;
    for of_key in sorted.chunk_by(|(one, _), (other, _)| one == other) {
        let latest = of_key.iter().max_by(|(_, one), (_, other)| one.age(other));
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

fn insert(conn: &Connection, run_no: i64, points: &[(i64, Point)]) -> Result<()> {
    let mut rows = points.chunks_exact(ROWS);
    for many in &mut rows {
        insert_rows(conn, run_no, many)?;
    }
    let rest = rows.remainder();
    rest.chunks(1)
        .try_for_each(|one| insert_rows(conn, run_no, one))
}

fn insert_rows(conn: &Connection, run_no: i64, points: &[(i64, Point)]) -> Result<()> {
    let sql = if points.len() == ROWS {
        &*INSERT_ROWS
    } else {
        INSERT
    };
    let mut statement = conn.prepare_cached(sql)?;
    statement.raw_bind_parameter(1, run_no)?;
    let mut place = 2;
    for (key_no, point) in points {
        statement.raw_bind_parameter(place, key_no)?;
        statement.raw_bind_parameter(place + 1, point.timestamp)?;
        statement.raw_bind_parameter(place + 2, point.step)?;
        statement.raw_bind_parameter(place + 3, point.value)?;
        statement.raw_bind_parameter(place + 4, point.is_nan)?;
        place += 5;
    }
    statement.raw_execute()?;
    Ok(())
}

const INSERT: &str = "INSERT OR IGNORE INTO metrics VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

static INSERT_ROWS: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
    let rows = vec!["(?1, ?, ?, ?, ?, ?)"; ROWS];
    format!("INSERT OR IGNORE INTO metrics VALUES {}", rows.join(", "))
});

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
    if let Some(key_no) = known_key_no(conn, key)? {
        return Ok(key_no);
    }
    conn.prepare_cached("INSERT INTO metric_keys (key) VALUES (?1)")?
        .execute([key])?;
    Ok(conn.last_insert_rowid())
}

fn known_key_no(conn: &Connection, key: &str) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT key_no FROM metric_keys WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?)
}
