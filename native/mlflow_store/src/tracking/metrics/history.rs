//! Histories: whole, in pages, of many runs, and sampled.

use rusqlite::{Connection, OptionalExtension, Row};

use super::super::error::Result;
use super::{Point, known_key_no};

/// The points of a key by time, step and value, from `offset` on. An unknown run has none.
pub fn page(
    conn: &Connection,
    run_id: &str,
    key: &str,
    offset: i64,
    limit: Option<i64>,
) -> Result<Vec<Point>> {
    let Some((run_no, key_no)) = numbers(conn, run_id, key)? else {
        return Ok(Vec::new());
    };
    let unsorted = unsorted(conn, run_no, key_no)?;
    let sql = "SELECT value, is_nan, timestamp, step FROM metrics \
               WHERE run_no = ?1 AND key_no = ?2 \
               ORDER BY timestamp, step, value, is_nan LIMIT ?3 OFFSET ?4";
    let mut statement = conn.prepare_cached(sql)?;
    let mut read = |limit: Option<i64>, offset: i64| -> Result<Vec<Point>> {
        // SQLite takes a negative limit for none.
        let rows = statement.query_map((run_no, key_no, limit.unwrap_or(-1), offset), load)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    };
    if unsorted.is_empty() {
        return read(limit, offset);
    }
    // However many of the others come before them, the page has no more than these.
    let mut points = read(limit.map(|limit| limit.saturating_add(offset)), 0)?;
    points.extend(unsorted);
    points.sort_by(|one, other| one.place(other));
    points.dedup();
    let page = points.into_iter().skip(offset as usize);
    Ok(page
        .take(limit.map_or(usize::MAX, |limit| limit as usize))
        .collect())
}

/// Of each run at most `limit` points, evenly spread from the first to the last by step, time and
/// value. `steps` are the first and the last that count.
pub fn sample(
    conn: &Connection,
    run_id: &str,
    key: &str,
    limit: usize,
    steps: Option<(i64, i64)>,
) -> Result<Vec<Point>> {
    let Some((run_no, key_no)) = numbers(conn, run_id, key)? else {
        return Ok(Vec::new());
    };
    let (first, last) = steps.unwrap_or((i64::MIN, i64::MAX));
    let sql = "SELECT value, is_nan, timestamp, step FROM metrics \
               WHERE run_no = ?1 AND key_no = ?2 AND step BETWEEN ?3 AND ?4";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map((run_no, key_no, first, last), load)?;
    let mut points = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let unsorted = unsorted(conn, run_no, key_no)?.into_iter();
    points.extend(unsorted.filter(|point| (first..=last).contains(&point.step)));
    points.sort_by(|one, other| one.age(other).then(one.is_nan.cmp(&other.is_nan)));
    points.dedup();
    Ok(spread(points, limit.max(1)))
}

/// The first point of each of `limit` parts that are as long as one another, the earlier parts by one
/// point longer where it does not divide; and the last point of all, in place of the last part's
/// where there is no room beside it.
fn spread(points: Vec<Point>, limit: usize) -> Vec<Point> {
    if points.len() <= limit {
        return points;
    }
    let (length, longer) = (points.len() / limit, points.len() % limit);
    let starts = (0..limit).map(|part| part * length + part.min(longer));
    let mut sampled: Vec<_> = starts.map(|start| points[start]).collect();
    if let (Some(end), Some(last)) = (sampled.last_mut(), points.last()) {
        *end = *last;
    }
    sampled
}

/// The points that are not in their places yet.
fn unsorted(conn: &Connection, run_no: i64, key_no: i64) -> Result<Vec<Point>> {
    let sql = "SELECT value, is_nan, timestamp, step FROM unsorted_metrics \
               WHERE run_no = ?1 AND key_no = ?2";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map((run_no, key_no), load)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn numbers(conn: &Connection, run_id: &str, key: &str) -> Result<Option<(i64, i64)>> {
    let sql = "SELECT run_no FROM runs WHERE run_id = ?1";
    let run_no = conn
        .prepare_cached(sql)?
        .query_row([run_id], |row| row.get(0))
        .optional()?;
    Ok(run_no.zip(known_key_no(conn, key)?))
}

fn load(row: &Row) -> rusqlite::Result<Point> {
    Ok(Point {
        value: row.get(0)?,
        is_nan: row.get(1)?,
        timestamp: row.get(2)?,
        step: row.get(3)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(count: i64, limit: usize) -> Vec<i64> {
        let points = (0..count).map(|step| Point::new(0.0, 0, step)).collect();
        let sampled = spread(points, limit);
        sampled.iter().map(|point| point.step).collect()
    }

    #[test]
    fn samples_are_what_mlflow_takes() {
        assert_eq!(steps(0, 3), [0; 0]);
        assert_eq!(steps(3, 3), [0, 1, 2]);
        assert_eq!(steps(6, 1), [5]);
        assert_eq!(steps(6, 2), [0, 5]);
        assert_eq!(steps(6, 3), [0, 2, 5]);
        // Four parts of ten: 3, 3, 2 and 2 points.
        assert_eq!(steps(10, 4), [0, 3, 6, 9]);
    }
}
