//! This side of a synchronisation in one go: of one trial, or of many runs at once, so that
//! comparing a whole experiment does not cost queries per run.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::error::Result;
use crate::points::{self, Unsent};
use crate::raw::{self, RawRow};
use crate::record::{self, Record};
use crate::runs;
use crate::tables::{MLFLOW_RUNS, MODEL_TRIALS, Table};
use crate::transaction::snapshot;
use crate::trials;

/// What a push of one trial needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialSide {
    pub trial: Record,
    /// The record of the trial's run, or the claim to create it.
    pub run: Option<Record>,
    /// What was recorded after the run's watermark.
    pub unsent: Unsent,
}

/// A run of the server, and the trial that its tag names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteRun {
    pub mlflow_run_id: String,
    pub trial: Option<String>,
}

/// What is known here of a run. Several runs may carry the tag of one trial, hence the shared rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunSide {
    pub run: Option<Arc<RawRow>>,
    pub trial: Option<Arc<RawRow>>,
    /// Whether the trial has points that the server has not seen.
    pub has_unsent: bool,
}

/// Runs per query: so many that its own cost does not count, so few that its argument stays small.
const CHUNK: usize = 500;

/// The trial with this `id` or `trial_id`, its run, and at most `limit` of its unsent points.
pub fn of_trial(conn: &Connection, trial: &str, limit: u32) -> Result<Option<TrialSide>> {
    snapshot(conn, |conn| {
        let Some(trial) = trials::find(conn, trial)? else {
            return Ok(None);
        };
        let id = record::id(&trial);
        let run = runs::by_trial(conn, id)?;
        let unsent = points::after(conn, id, watermark(run.as_ref()), Some(limit))?;
        Ok(Some(TrialSide { trial, run, unsent }))
    })
}

/// One answer for each run, in their order.
///
/// A run's trial is the one that its record is linked to or, where that names none, the one that
/// its tag names (by `id` or `trial_id`), unless that has another run.
pub fn of_runs(conn: &Connection, asked: &[RemoteRun]) -> Result<Vec<RunSide>> {
    snapshot(conn, |conn| {
        let mut sides = Vec::with_capacity(asked.len());
        for asked in asked.chunks(CHUNK) {
            sides.extend(chunk(conn, asked)?);
        }
        Ok(sides)
    })
}

fn chunk(conn: &Connection, asked: &[RemoteRun]) -> Result<Vec<RunSide>> {
    let ids = asked.iter().map(|run| run.mlflow_run_id.as_str());
    let runs = by_column(conn, &MLFLOW_RUNS, "mlflow_run_id", ids)?;
    let linked = |run: &RemoteRun| linked_trial(runs.get(&run.mlflow_run_id));

    let tags = asked.iter().filter(|run| linked(run).is_none());
    let tagged = Tagged::load(conn, tags.filter_map(|run| run.trial.as_deref()))?;
    let trials = by_column(conn, &MODEL_TRIALS, "id", asked.iter().filter_map(linked))?;

    let mut sides: Vec<_> = asked
        .iter()
        .map(|run| RunSide {
            trial: match linked(run) {
                Some(id) => trials.get(id).cloned(),
                None => tagged.trial_of(run),
            },
            run: runs.get(&run.mlflow_run_id).cloned(),
            has_unsent: false,
        })
        .collect();
    note_unsent(conn, &mut sides)?;
    Ok(sides)
}

/// The trials that the tags of runs without a linked trial name, and whose they are already.
struct Tagged {
    by_id: HashMap<String, Arc<RawRow>>,
    by_trial_id: HashMap<String, Arc<RawRow>>,
    records: HashMap<String, Arc<RawRow>>,
}

impl Tagged {
    fn load<'a>(conn: &Connection, names: impl Iterator<Item = &'a str> + Clone) -> Result<Self> {
        let by_id = by_column(conn, &MODEL_TRIALS, "id", names.clone())?;
        let by_trial_id = by_column(conn, &MODEL_TRIALS, "trial_id", names)?;
        let found = by_id.values().chain(by_trial_id.values());
        let ids = found.filter_map(|trial| trial.text("id"));
        let records = by_column(conn, &MLFLOW_RUNS, "model_trial_id", ids)?;
        Ok(Self {
            by_id,
            by_trial_id,
            records,
        })
    }

    fn trial_of(&self, run: &RemoteRun) -> Option<Arc<RawRow>> {
        let name = run.trial.as_deref()?;
        let trial = self
            .by_id
            .get(name)
            .or_else(|| self.by_trial_id.get(name))?;
        let record = self.records.get(trial.text("id")?);
        let owner = record.and_then(|record| record.text("mlflow_run_id"));
        owner
            .is_none_or(|owner| owner == run.mlflow_run_id)
            .then(|| trial.clone())
    }
}

fn linked_trial(run: Option<&Arc<RawRow>>) -> Option<&str> {
    run.and_then(|run| run.text("model_trial_id"))
}

/// A trial that a tag names has no record with a watermark, and so all of its points are unsent.
fn note_unsent(conn: &Connection, sides: &mut [RunSide]) -> Result<()> {
    let asked: Value = sides
        .iter()
        .filter_map(|side| {
            let trial = side.trial.as_ref()?.text("id")?;
            let seq = side.run.as_ref().and_then(|run| run.integer("points_seq"));
            Some(json!([trial, seq.unwrap_or_default()]))
        })
        .collect();
    let sql = "SELECT asked.value ->> 0 FROM json_each(?) AS asked WHERE EXISTS ( \
                 SELECT 1 FROM trial_points WHERE remote = 0 \
                   AND trial_id = asked.value ->> 0 AND seq > asked.value ->> 1)";
    let waiting: HashSet<String> = conn
        .prepare_cached(sql)?
        .query_map([asked.to_string()], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for side in sides {
        let trial = side.trial.as_ref().and_then(|trial| trial.text("id"));
        side.has_unsent = trial.is_some_and(|trial| waiting.contains(trial));
    }
    Ok(())
}

/// The rows with one of these values in a unique column, by that value.
fn by_column<'a>(
    conn: &Connection,
    table: &'static Table,
    column: &'static str,
    values: impl Iterator<Item = &'a str>,
) -> Result<HashMap<String, Arc<RawRow>>> {
    let values: Value = values.collect();
    let sql = format!(
        "SELECT {all} FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))",
        all = table.select_list(),
        table = table.name,
    );
    let rows = raw::select(conn, table, &sql, [values.to_string().into()])?;
    let by_value = |row: RawRow| Some((row.text(column)?.to_owned(), Arc::new(row)));
    Ok(rows.into_iter().filter_map(by_value).collect())
}

fn watermark(run: Option<&Record>) -> i64 {
    let seq = run.and_then(|run| run.get("points_seq"));
    seq.and_then(Value::as_i64).unwrap_or_default()
}
