//! What was synchronised when, how it ended, and what was in conflict.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use crate::codec;
use crate::error::{ErrorKind, Result, StoreError};
use crate::points;
use crate::record::{self, Record};
use crate::tables::{Table, integer, json, text};
use crate::transaction::transaction;

/// One row per attempt of a sync, however it ended.
pub static SYNC_ATTEMPTS: Table = Table {
    name: "sync_attempts",
    columns: &[
        integer("id"),
        text("instance"),
        text("action"),
        text("target"),
        text("direction"),
        text("result"),
        text("mlflow_run_id"),
        text("model_trial_id"),
        text("mlflow_experiment_id"),
        integer("pushed"),
        integer("pulled"),
        integer("conflicts"),
        integer("requests"),
        integer("writes"),
        json("counts"),
        json("error"),
        integer("started_at"),
        integer("duration_ms"),
    ],
};

/// One row per field that both sides had changed, or that could not be changed.
pub static SYNC_CONFLICTS: Table = Table {
    name: "sync_conflicts",
    columns: &[
        integer("id"),
        integer("attempt_id"),
        text("instance"),
        text("mlflow_run_id"),
        text("model_trial_id"),
        text("field"),
        text("key"),
        text("local"),
        text("remote"),
        text("winner"),
        integer("at"),
    ],
};

/// Which attempts or conflicts to list, newest first; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct HistoryFilter {
    pub instance: String,
    /// Columns and the values they must have.
    pub equals: Record,
    /// By the trial's `id` or `trial_id`.
    pub trial: Option<String>,
    pub run: Option<String>,
    /// Not before this time.
    pub since: Option<i64>,
    pub limit: Option<u32>,
}

/// Keeps an attempt and its conflicts, and answers its id.
///
/// `model_trial_id` may be the trial's `trial_id`, too. Where only the run or only the trial is
/// known, the other is the one it is linked to. A conflict without a run is of the attempt's run.
pub fn record(conn: &Connection, mut attempt: Record, conflicts: Vec<Record>) -> Result<i64> {
    transaction(conn, |conn| {
        let trial = match record::text(&attempt, "model_trial_id") {
            Some(trial) => trial_id(conn, trial)?,
            None => trial_of(conn, record::text(&attempt, "mlflow_run_id"))?,
        };
        if record::text(&attempt, "mlflow_run_id").is_none() {
            let run = run_of(conn, trial.as_deref())?;
            attempt.insert("mlflow_run_id".into(), run.into());
        }
        attempt.insert("model_trial_id".into(), trial.into());
        attempt.insert("conflicts".into(), conflicts.len().into());
        let id = insert(conn, &SYNC_ATTEMPTS, &attempt)?;
        for conflict in conflicts {
            insert(
                conn,
                &SYNC_CONFLICTS,
                &placed(conn, conflict, &attempt, id)?,
            )?;
        }
        Ok(id)
    })
}

/// A conflict as part of its attempt.
fn placed(conn: &Connection, mut conflict: Record, attempt: &Record, id: i64) -> Result<Record> {
    let trial = match record::text(&conflict, "mlflow_run_id") {
        Some(run) => trial_of(conn, Some(run))?.into(),
        None => {
            let run = attempt["mlflow_run_id"].clone();
            conflict.insert("mlflow_run_id".into(), run);
            attempt["model_trial_id"].clone()
        }
    };
    conflict.insert("model_trial_id".into(), trial);
    conflict.insert("attempt_id".into(), id.into());
    for (column, of_attempt) in [("instance", "instance"), ("at", "started_at")] {
        let value = attempt.get(of_attempt).cloned().unwrap_or_default();
        conflict.insert(column.into(), value);
    }
    Ok(conflict)
}

pub fn attempts(conn: &Connection, filter: &HistoryFilter) -> Result<Vec<Record>> {
    // An attempt at what is gone, or never was, is still found by the name it was given.
    list(conn, &SYNC_ATTEMPTS, "started_at", Some("target"), filter)
}

pub fn conflicts(conn: &Connection, filter: &HistoryFilter) -> Result<Vec<Record>> {
    list(conn, &SYNC_CONFLICTS, "at", None, filter)
}

/// Deletes attempts of the instance that began before `before`, with their conflicts, the oldest
/// first and no more than `limit` at once; answers how many.
pub fn prune(conn: &Connection, instance: &str, before: i64, limit: u32) -> Result<u64> {
    transaction(conn, |conn| {
        let sql = "DELETE FROM sync_attempts WHERE id IN ( \
                     SELECT id FROM sync_attempts WHERE instance = ? AND started_at < ? \
                     ORDER BY started_at, id LIMIT ?)";
        let mut statement = conn.prepare_cached(sql)?;
        Ok(statement.execute(params![instance, before, limit])? as u64)
    })
}

fn insert(conn: &Connection, table: &Table, row: &Record) -> Result<i64> {
    let (names, values): (Vec<_>, Vec<_>) = codec::encode(table, row)?.into_iter().unzip();
    let sql = format!(
        "INSERT INTO {table} ({names}) VALUES ({marks})",
        table = table.name,
        names = names.join(", "),
        marks = vec!["?"; names.len()].join(", "),
    );
    let mut statement = conn.prepare_cached(&sql)?;
    Ok(statement.insert(params_from_iter(values))?)
}

fn list(
    conn: &Connection,
    table: &Table,
    time: &str,
    named_by: Option<&str>,
    filter: &HistoryFilter,
) -> Result<Vec<Record>> {
    let mut conditions = vec!["instance = ?".to_owned()];
    let mut values: Vec<Sql> = vec![filter.instance.clone().into()];
    for (name, value) in &filter.equals {
        let column = table.column(name)?;
        conditions.push(format!("{name} IS ?", name = column.name));
        values.push(codec::encode_one(table, column, value)?);
    }

    let mut of = |id_column: &str, id: String, given: &str| {
        values.push(id.into());
        let by_name = named_by.map(|column| {
            values.push(given.to_owned().into());
            format!(" OR {column} = ?")
        });
        conditions.push(format!("({id_column} = ?{})", by_name.unwrap_or_default()));
    };
    if let Some(trial) = &filter.trial {
        let id = trial_id(conn, trial)?.unwrap_or_else(|| trial.clone());
        of("model_trial_id", id, trial);
    }
    if let Some(run) = &filter.run {
        of("mlflow_run_id", run.clone(), run);
    }

    conditions.push(format!("{time} >= ?"));
    values.push(filter.since.unwrap_or(i64::MIN).into());
    values.push(filter.limit.map_or(-1, i64::from).into());
    let sql = format!(
        "SELECT {all} FROM {table} WHERE {conditions} ORDER BY {time} DESC, id DESC LIMIT ?",
        all = table.select_list(),
        table = table.name,
        conditions = conditions.join(" AND "),
    );
    record::select(conn, table, &sql, values)
}

fn trial_id(conn: &Connection, trial: &str) -> Result<Option<String>> {
    match points::owner(conn, trial) {
        Ok(id) => Ok(Some(id)),
        Err(StoreError {
            kind: ErrorKind::NotFound,
            ..
        }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn trial_of(conn: &Connection, run: Option<&str>) -> Result<Option<String>> {
    linked(
        conn,
        "SELECT model_trial_id FROM mlflow_runs WHERE mlflow_run_id = ?",
        run,
    )
}

fn run_of(conn: &Connection, trial: Option<&str>) -> Result<Option<String>> {
    linked(
        conn,
        "SELECT mlflow_run_id FROM mlflow_runs WHERE model_trial_id = ?",
        trial,
    )
}

fn linked(conn: &Connection, sql: &str, id: Option<&str>) -> Result<Option<String>> {
    let mut statement = conn.prepare_cached(sql)?;
    let linked = statement.query_row([id], |row| row.get(0)).optional()?;
    Ok(linked.flatten())
}
