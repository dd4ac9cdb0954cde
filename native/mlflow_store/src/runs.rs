//! MLflow runs: MLflow's side of the synchronisation, and who may create a trial's run.
//!
//! Creating a run is not idempotent, so whoever is about to do it first claims the trial. A claim
//! that was neither released nor followed by a run means that nobody knows whether the run exists.

use rusqlite::{Connection, params};
use serde_json::Value;

use crate::error::{ErrorKind, Result, StoreError};
use crate::owner;
use crate::record::{self, Bump, Record};
use crate::tables::MLFLOW_RUNS;
use crate::transaction::transaction;
use crate::trials;

/// The intent to create a trial's run.
#[derive(Clone, Debug)]
pub struct Claim {
    pub model_trial_id: String,
    pub mlflow_experiment_id: Option<String>,
    pub model_run_id: Option<String>,
    pub owner: String,
    pub now: i64,
    pub lease_ms: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ClaimOutcome {
    /// Claimed, and nobody tried before: create the run.
    Fresh(Record),
    /// Claimed, but an earlier attempt did not say how it ended: search for its run by tag first.
    /// That attempt was under way at `since`, if it is not still: its request may yet arrive.
    Unknown { row: Record, since: i64 },
    /// The run is there already.
    Created(Record),
    /// Another owner is creating it, and has until this time.
    Busy { until: i64 },
}

/// One run, by either of the ids it may be known by.
#[derive(Clone, Copy, Debug)]
pub enum RunRef<'a> {
    Trial(&'a str),
    Run(&'a str),
}

/// What a claim that was found in the row means to the one who asks.
enum Held {
    No,
    LeftBehind,
    Until(i64),
}

/// Takes the right to create the trial's run, unless it exists or another owner holds that right.
pub fn claim(conn: &Connection, claim: &Claim) -> Result<ClaimOutcome> {
    transaction(conn, |conn| {
        let Some(row) = by_trial(conn, &claim.model_trial_id)? else {
            let row = record::insert(conn, &MLFLOW_RUNS, claim.columns(), claim.now)?;
            return Ok(ClaimOutcome::Fresh(row));
        };
        if record::text(&row, "mlflow_run_id").is_some() {
            return Ok(ClaimOutcome::Created(row));
        }

        let take = || {
            record::update(
                conn,
                &MLFLOW_RUNS,
                record::id(&row),
                claim.columns(),
                claim.now,
            )
        };
        match claim.found_in(&row) {
            Held::No => Ok(ClaimOutcome::Fresh(take()?)),
            Held::LeftBehind => Ok(ClaimOutcome::Unknown {
                since: claim.last_seen(&row),
                row: take()?,
            }),
            Held::Until(until) => Ok(ClaimOutcome::Busy { until }),
        }
    })
}

/// Ends a claim's lease after an attempt that does not know what it did, or an earlier one did: the
/// next one need not wait for the lease to run out, and knows that it must search first. A request
/// that creates was last under way at `seen`.
pub fn abandon(conn: &Connection, id: &str, seen: i64, now: i64) -> Result<Record> {
    let lease = Record::from_iter([("claimed_until".to_owned(), seen.min(now).into())]);
    record::update(conn, &MLFLOW_RUNS, id, lease, now)
}

/// Gives a claim back after an attempt that certainly created nothing.
pub fn release(conn: &Connection, id: &str, now: i64) -> Result<Record> {
    record::update(conn, &MLFLOW_RUNS, id, unclaimed(), now)
}

/// Records what is known of a run: in the row of its `mlflow_run_id`, or else in the row of its
/// `model_trial_id` if that has no run yet, or else in a new one. Where both rows exist, the bare
/// claim becomes part of the run's row.
///
/// A row that has a run is no longer claimed and, unless `sync_error` is given, no longer in error.
pub fn put(conn: &Connection, run: Record, now: i64) -> Result<Record> {
    transaction(conn, |conn| {
        let by_run = lookup(conn, &run, "mlflow_run_id")?;
        let by_trial = lookup(conn, &run, "model_trial_id")?;

        let row = match (by_run, by_trial) {
            (Some(row), Some(claim)) if row["id"] != claim["id"] => {
                absorb(conn, &row, &claim, now)?;
                row
            }
            (Some(row), _) => row,
            (None, Some(row)) => {
                refuse_second_run(&row, &run)?;
                row
            }
            (None, None) => return insert(conn, run, now),
        };
        let has_run = [&run, &row]
            .iter()
            .any(|of| record::text(of, "mlflow_run_id").is_some());
        let changes = if has_run { settled(run) } else { run };
        record::revise(
            conn,
            &MLFLOW_RUNS,
            record::id(&row),
            changes,
            Bump::Always,
            now,
        )
    })
}

/// [`put`], and the run's trial notes which run it has become: both or neither.
pub fn settle(conn: &Connection, run: Record, now: i64) -> Result<Record> {
    transaction(conn, |conn| {
        let row = put(conn, run, now)?;
        let column = |name| record::text(&row, name);
        if let (Some(trial), Some(run)) = (column("model_trial_id"), column("mlflow_run_id")) {
            trials::link(conn, trial, run, column("artifact_uri"))?;
        }
        Ok(row)
    })
}

/// Settles many runs at once, and answers how many.
pub fn settle_all(conn: &Connection, runs: Vec<Record>, now: i64) -> Result<u64> {
    transaction(conn, |conn| {
        let count = runs.len() as u64;
        for run in runs {
            settle(conn, run, now)?;
        }
        Ok(count)
    })
}

/// Keeps why the last sync failed, in the form `{"kind", "message", "retryable", "version"}`, where
/// the version is the `updated_at` of the trial that was read for it. A trial without
/// a row gets one; a claim stays, since the error does not say whether the run was created.
pub fn record_error(conn: &Connection, run: RunRef<'_>, error: Value, now: i64) -> Result<Record> {
    transaction(conn, |conn| {
        let mut changes = Record::from_iter([("sync_error".to_owned(), error)]);
        let row = match run {
            RunRef::Trial(id) => by_trial(conn, id)?,
            RunRef::Run(id) => by_run_id(conn, id)?,
        };
        match (row, run) {
            (Some(row), _) => record::revise(
                conn,
                &MLFLOW_RUNS,
                record::id(&row),
                changes,
                Bump::Always,
                now,
            ),
            (None, RunRef::Trial(id)) => {
                changes.insert("model_trial_id".into(), id.into());
                record::insert(conn, &MLFLOW_RUNS, changes, now)
            }
            (None, RunRef::Run(id)) => Err(StoreError::not_found(MLFLOW_RUNS.name, id)),
        }
    })
}

pub fn by_trial(conn: &Connection, model_trial_id: &str) -> Result<Option<Record>> {
    record::get(conn, &MLFLOW_RUNS, "model_trial_id", model_trial_id)
}

pub fn by_run_id(conn: &Connection, mlflow_run_id: &str) -> Result<Option<Record>> {
    record::get(conn, &MLFLOW_RUNS, "mlflow_run_id", mlflow_run_id)
}

/// Parts a trial from its run, so that its next sync creates a new one. What both agreed on, and
/// where the run keeps its artifacts, goes with the link; the record of the run stays.
///
/// If it has got another run meanwhile, that one stays; and so does a claim, for nobody knows what will
/// come of it.
pub fn unlink(
    conn: &Connection,
    model_trial_id: &str,
    mlflow_run_id: &str,
    now: i64,
) -> Result<()> {
    transaction(conn, |conn| {
        let sql = "UPDATE model_trials SET mlflow_run_id = NULL, \
                   updated_at = max(?2, updated_at + 1), \
                   artifact_uri = CASE WHEN artifact_uri IN \
                     (SELECT artifact_uri FROM mlflow_runs WHERE model_trial_id = ?1) \
                   THEN NULL ELSE artifact_uri END \
                   WHERE id = ?1 AND mlflow_run_id = ?3";
        conn.prepare_cached(sql)?
            .execute(params![model_trial_id, now, mlflow_run_id])?;
        let sql = "UPDATE mlflow_runs SET model_trial_id = NULL, base = NULL, digest = NULL, \
                   points_seq = NULL, updated_at = max(?2, updated_at + 1) \
                   WHERE model_trial_id = ?1 AND mlflow_run_id = ?3";
        conn.prepare_cached(sql)?
            .execute(params![model_trial_id, now, mlflow_run_id])?;
        Ok(())
    })
}

/// The ids of the experiment's runs, claims without a run left out.
pub fn ids_in_experiment(conn: &Connection, mlflow_experiment_id: &str) -> Result<Vec<String>> {
    let sql = "SELECT mlflow_run_id FROM mlflow_runs \
               WHERE mlflow_experiment_id = ? AND mlflow_run_id IS NOT NULL";
    let mut statement = conn.prepare_cached(sql)?;
    let ids = statement
        .query_map([mlflow_experiment_id], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(ids)
}

impl Claim {
    fn columns(&self) -> Record {
        let until = self.now + self.lease_ms;
        let mut columns = Record::from_iter([
            (
                "model_trial_id".to_owned(),
                self.model_trial_id.as_str().into(),
            ),
            ("claimed_by".to_owned(), self.owner.as_str().into()),
            ("claimed_until".to_owned(), until.into()),
        ]);
        for (name, id) in [
            ("mlflow_experiment_id", &self.mlflow_experiment_id),
            ("model_run_id", &self.model_run_id),
        ] {
            if let Some(id) = id {
                columns.insert(name.to_owned(), id.as_str().into());
            }
        }
        columns
    }

    /// Until when the earlier attempt may have been at it: when it gave up or ran out of its lease,
    /// or else now, since its owner may have sent its request the moment before it died.
    fn last_seen(&self, row: &Record) -> i64 {
        let until = row["claimed_until"].as_i64().unwrap_or_default();
        until.min(self.now)
    }

    fn found_in(&self, row: &Record) -> Held {
        let until = row["claimed_until"].as_i64().unwrap_or_default();
        match record::text(row, "claimed_by") {
            None => Held::No,
            Some(holder) if holder == self.owner || owner::is_gone(holder) => Held::LeftBehind,
            Some(_) if until > self.now => Held::Until(until),
            Some(_) => Held::LeftBehind,
        }
    }
}

fn lookup(conn: &Connection, run: &Record, column: &str) -> Result<Option<Record>> {
    match record::text(run, column) {
        Some(id) => record::get(conn, &MLFLOW_RUNS, column, id),
        None => Ok(None),
    }
}

fn insert(conn: &Connection, run: Record, now: i64) -> Result<Record> {
    let known = |column| record::text(&run, column).is_some();
    if !known("mlflow_run_id") && !known("model_trial_id") {
        let message = "a run needs an mlflow_run_id or a model_trial_id: give at least one";
        return Err(StoreError::invalid(message));
    }
    record::insert(conn, &MLFLOW_RUNS, run, now)
}

/// Moves what only the bare claim knows into the run's row, and removes the claim.
fn absorb(conn: &Connection, row: &Record, claim: &Record, now: i64) -> Result<()> {
    refuse_second_run(claim, row)?;

    let mut links = Record::new();
    for column in ["mlflow_experiment_id", "model_run_id"] {
        if row[column].is_null() {
            links.insert(column.to_owned(), claim[column].clone());
        }
    }
    record::delete(conn, &MLFLOW_RUNS, record::id(claim))?;
    record::update(conn, &MLFLOW_RUNS, record::id(row), links, now)?;
    Ok(())
}

/// A trial has one run: a second is a ghost to be looked at, never a silent replacement.
fn refuse_second_run(row: &Record, given: &Record) -> Result<()> {
    let (Some(has), Some(new)) = (
        record::text(row, "mlflow_run_id"),
        record::text(given, "mlflow_run_id"),
    ) else {
        return Ok(());
    };
    if has == new {
        return Ok(());
    }
    let trial = record::text(row, "model_trial_id").unwrap_or_default();
    let message = format!(
        "trial {trial:?} already has the run {has:?}: unlink that one first \
         (put it with a null model_trial_id) to link {new:?}"
    );
    Err(StoreError::new(ErrorKind::Taken, message))
}

fn settled(mut run: Record) -> Record {
    run.extend(unclaimed());
    run.entry("sync_error").or_insert(Value::Null);
    run
}

fn unclaimed() -> Record {
    ["claimed_by", "claimed_until"]
        .map(|column| (column.to_owned(), Value::Null))
        .into_iter()
        .collect()
}
