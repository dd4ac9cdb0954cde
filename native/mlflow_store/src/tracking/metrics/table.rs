//! Where points are written.

use std::sync::LazyLock;

use rusqlite::Connection;

use super::super::error::Result;
use super::Point;

/// What one statement adds: a statement for every point would cost as much again.
const ROWS: usize = 32;
/// Of fewer keys, the points go to their places at once.
const MANY_KEYS: usize = 16;
/// So many points of each key are worth the page that they change.
const WORTH_A_PAGE: usize = 16;
/// A history is read with all the points that are not in their places yet.
const MOST_UNSORTED: i64 = 32_768;

/// Adds points that are in the order of the table. Those that are there already are left out, at the
/// latest when they come to their places.
pub(super) fn add(
    conn: &Connection,
    run_no: i64,
    points: &[(i64, Point)],
    keys: usize,
) -> Result<()> {
    if keys < MANY_KEYS || points.len() >= keys * WORTH_A_PAGE {
        return insert(conn, &SORTED, run_no, points);
    }
    insert(conn, &UNSORTED, run_no, points)?;
    if conn.last_insert_rowid() >= MOST_UNSORTED {
        sort(conn)?;
    }
    Ok(())
}

/// Moves the points that are not in their places there.
pub fn sort(conn: &Connection) -> Result<()> {
    let sql = "INSERT OR IGNORE INTO metrics \
               SELECT run_no, key_no, timestamp, step, value, is_nan FROM unsorted_metrics \
               ORDER BY run_no, key_no, timestamp, step, value, is_nan";
    conn.prepare_cached(sql)?.execute([])?;
    conn.prepare_cached("DELETE FROM unsorted_metrics")?
        .execute([])?;
    Ok(())
}

/// Statements that add one point, and many.
struct Insert {
    one: String,
    many: String,
}

static SORTED: LazyLock<Insert> = LazyLock::new(|| Insert::new("metrics"));
static UNSORTED: LazyLock<Insert> = LazyLock::new(|| Insert::new("unsorted_metrics"));

impl Insert {
    fn new(table: &str) -> Self {
        let rows = |count| vec!["(?1, ?, ?, ?, ?, ?)"; count].join(", ");
        Self {
            one: format!("INSERT OR IGNORE INTO {table} VALUES {}", rows(1)),
            many: format!("INSERT OR IGNORE INTO {table} VALUES {}", rows(ROWS)),
        }
    }
}

fn insert(conn: &Connection, sql: &Insert, run_no: i64, points: &[(i64, Point)]) -> Result<()> {
    let mut many = points.chunks_exact(ROWS);
    for rows in &mut many {
        execute(conn, &sql.many, run_no, rows)?;
    }
    let mut rest = many.remainder().chunks(1);
    rest.try_for_each(|row| execute(conn, &sql.one, run_no, row))
}

fn execute(conn: &Connection, sql: &str, run_no: i64, points: &[(i64, Point)]) -> Result<()> {
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
