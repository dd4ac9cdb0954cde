//! What is known here of runs and trials, in the form in which syncs ask for it.

use mlflow_store::sides::{RemoteRun, RunSide, TrialSide};
use mlflow_store::trials::AsRead;
use mlflow_store::{Result, StoreError};
use rustler::{Encoder, Env, NifMap, Term};
use serde_json::Value;

use super::object;
use super::point_terms::terms;
use crate::terms::{Json, PointTerm, RowEncoder};

#[derive(NifMap)]
#[rustler(decode)]
pub struct RemoteRunTerm {
    run_id: String,
    trial_tag: Option<String>,
}

impl From<RemoteRunTerm> for RemoteRun {
    fn from(term: RemoteRunTerm) -> Self {
        Self {
            mlflow_run_id: term.run_id,
            trial: term.trial_tag,
        }
    }
}

/// A trial as it was when it was compared: its version, and the columns that a pull may write.
#[derive(NifMap)]
#[rustler(decode)]
pub struct AsReadTerm {
    version: i64,
    columns: Json,
}

impl TryFrom<AsReadTerm> for AsRead {
    type Error = StoreError;

    fn try_from(term: AsReadTerm) -> Result<Self> {
        Ok(Self {
            version: term.version,
            columns: object(term.columns)?,
        })
    }
}

/// `{record, trial, has_unsent}`, one for each run.
pub struct RunSides(pub Vec<RunSide>);

impl Encoder for RunSides {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        let (mut runs, mut trials) = (RowEncoder::new(env), RowEncoder::new(env));
        let sides = self.0.iter().map(|side| {
            let run = runs.encode(side.run.as_deref());
            let trial = trials.encode(side.trial.as_deref());
            (run, trial, side.has_unsent)
        });
        sides.collect::<Vec<_>>().encode(env)
    }
}

/// The trial, its run's record, the unsent points, the watermark they reach, and whether there are
/// more.
pub type TrialSideTerm = (Json, Option<Json>, Vec<PointTerm>, i64, bool);

pub fn trial_side_term(side: TrialSide) -> TrialSideTerm {
    let row = |row| Json(Value::Object(row));
    let unsent = side.unsent;
    (
        row(side.trial),
        side.run.map(row),
        terms(unsent.points),
        unsent.seq,
        unsent.more,
    )
}
