//! The right to create a trial's run.

use mlflow_store::runs::{Claim, ClaimOutcome};
use rustler::{NifMap, NifUnitEnum};
use serde_json::Value;

use crate::terms::Json;

#[derive(NifMap)]
#[rustler(decode)]
pub struct ClaimTerm {
    model_trial_id: String,
    mlflow_experiment_id: Option<String>,
    model_run_id: Option<String>,
    lease: i64,
}

impl ClaimTerm {
    pub fn at(self, now: i64) -> Claim {
        Claim {
            model_trial_id: self.model_trial_id,
            mlflow_experiment_id: self.mlflow_experiment_id,
            model_run_id: self.model_run_id,
            owner: mlflow_store::owner::unique(),
            now,
            lease_ms: self.lease,
        }
    }
}

#[derive(NifUnitEnum)]
pub enum ClaimKind {
    Fresh,
    Unknown,
    Created,
    Busy,
}

/// The kind, the row, and a time in ms: since when an outcome is unknown, or until when another
/// holds the claim.
pub fn claim_term(outcome: ClaimOutcome) -> (ClaimKind, Json, i64) {
    let row = |row| Json(Value::Object(row));
    match outcome {
        ClaimOutcome::Fresh(fresh) => (ClaimKind::Fresh, row(fresh), 0),
        ClaimOutcome::Unknown { row: left, since } => (ClaimKind::Unknown, row(left), since),
        ClaimOutcome::Created(created) => (ClaimKind::Created, row(created), 0),
        ClaimOutcome::Busy { until } => (ClaimKind::Busy, Json::default(), until),
    }
}
