//! Runs, what creates one, and what changes one.

use std::collections::BTreeMap;

use mlflow_core::api::{CreateRun, RunUpdate};
use mlflow_core::model::{LifecycleStage, Metric, Run, RunStatus};
use rustler::{Decoder, Encoder, Env, NifMap, NifResult, NifStruct, Term};

use super::{MetricMap, MetricTerm, MetricValueTerm, StringMap, atoms, tags};

#[derive(NifStruct)]
#[module = "MLflow.Run"]
pub struct RunTerm {
    run_id: String,
    experiment_id: String,
    name: Option<String>,
    status: StatusTerm,
    start_time: Option<i64>,
    end_time: Option<i64>,
    artifact_uri: Option<String>,
    lifecycle_stage: StageTerm,
    user_id: Option<String>,
    params: StringMap,
    metrics: MetricMap,
    latest_metrics: Vec<MetricTerm>,
    tags: StringMap,
}

impl From<Run> for RunTerm {
    fn from(run: Run) -> Self {
        let metrics: BTreeMap<_, _> = run
            .metrics
            .iter()
            .map(|m| (m.key.clone(), MetricValueTerm(m.value.0)))
            .collect();
        Self {
            run_id: run.run_id,
            experiment_id: run.experiment_id,
            name: run.name,
            status: StatusTerm(run.status),
            start_time: run.start_time,
            end_time: run.end_time,
            artifact_uri: run.artifact_uri,
            lifecycle_stage: StageTerm(run.lifecycle_stage),
            user_id: run.user_id,
            params: run.params.into(),
            metrics: metrics.into(),
            latest_metrics: run.metrics.into_iter().map(MetricTerm::from).collect(),
            tags: run.tags.into(),
        }
    }
}

/// A run that was read goes down again to be compared, so that it is not requested twice.
impl From<RunTerm> for Run {
    fn from(term: RunTerm) -> Self {
        Self {
            run_id: term.run_id,
            experiment_id: term.experiment_id,
            name: term.name,
            status: term.status.0,
            start_time: term.start_time,
            end_time: term.end_time,
            artifact_uri: term.artifact_uri,
            lifecycle_stage: term.lifecycle_stage.0,
            user_id: term.user_id,
            params: term.params.0,
            metrics: term.latest_metrics.into_iter().map(Metric::from).collect(),
            tags: term.tags.0,
        }
    }
}

#[derive(NifMap)]
#[rustler(decode)]
pub struct CreateRunTerm {
    experiment_id: String,
    name: Option<String>,
    start_time: Option<i64>,
    user_id: Option<String>,
    tags: Vec<(String, String)>,
}

impl From<CreateRunTerm> for CreateRun {
    fn from(term: CreateRunTerm) -> Self {
        Self {
            experiment_id: term.experiment_id,
            run_name: term.name,
            start_time: term.start_time,
            user_id: term.user_id,
            tags: tags(term.tags),
        }
    }
}

#[derive(NifMap)]
#[rustler(decode)]
pub struct RunUpdateTerm {
    status: Option<StatusTerm>,
    end_time: Option<i64>,
    name: Option<String>,
}

impl From<RunUpdateTerm> for RunUpdate {
    fn from(term: RunUpdateTerm) -> Self {
        Self {
            status: term.status.map(|status| status.0),
            end_time: term.end_time,
            run_name: term.name,
        }
    }
}

/// An atom for the statuses MLflow documents, the server's own string for any other.
pub struct StatusTerm(pub RunStatus);

impl Encoder for StatusTerm {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match &self.0 {
            RunStatus::Scheduled => atoms::scheduled().encode(env),
            RunStatus::Running => atoms::running().encode(env),
            RunStatus::Finished => atoms::finished().encode(env),
            RunStatus::Failed => atoms::failed().encode(env),
            RunStatus::Killed => atoms::killed().encode(env),
            RunStatus::Other(name) => name.encode(env),
        }
    }
}

impl<'a> Decoder<'a> for StatusTerm {
    fn decode(term: Term<'a>) -> NifResult<Self> {
        if !term.is_atom() {
            return term.decode().map(|name: String| Self(name.into()));
        }
        // Of atoms only the documented ones count: `nil` above all is no status.
        match RunStatus::from(term.atom_to_string()?.to_uppercase()) {
            RunStatus::Other(_) => Err(rustler::Error::BadArg),
            status => Ok(Self(status)),
        }
    }
}

pub struct StageTerm(pub LifecycleStage);

impl Encoder for StageTerm {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match &self.0 {
            LifecycleStage::Active => atoms::active().encode(env),
            LifecycleStage::Deleted => atoms::deleted().encode(env),
            LifecycleStage::Other(name) => name.encode(env),
        }
    }
}

impl<'a> Decoder<'a> for StageTerm {
    fn decode(term: Term<'a>) -> NifResult<Self> {
        let name = match term.is_atom() {
            true => term.atom_to_string()?,
            false => term.decode()?,
        };
        Ok(Self(LifecycleStage::from(name)))
    }
}
