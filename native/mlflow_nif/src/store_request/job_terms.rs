//! Jobs on their way in and out.

use mlflow_store::jobs::{self, JobFilter, JobState, NewJob};
use mlflow_store::{Result, StoreError};
use rustler::NifMap;

use crate::terms::Json;

#[derive(NifMap)]
#[rustler(decode)]
pub struct NewJobTerm {
    instance: String,
    action: String,
    args: Json,
    unique_key: Option<String>,
    lock_key: Option<String>,
    priority: u8,
    max_attempts: u32,
    scheduled_at: Option<i64>,
}

impl From<NewJobTerm> for NewJob {
    fn from(term: NewJobTerm) -> Self {
        Self {
            instance: term.instance,
            action: term.action,
            args: term.args.0,
            unique_key: term.unique_key,
            lock_key: term.lock_key,
            priority: term.priority,
            max_attempts: term.max_attempts,
            scheduled_at: term.scheduled_at,
        }
    }
}

#[derive(NifMap)]
#[rustler(decode)]
pub struct JobErrorTerm {
    kind: String,
    message: String,
}

impl From<JobErrorTerm> for jobs::JobError {
    fn from(term: JobErrorTerm) -> Self {
        Self::new(term.kind, term.message)
    }
}

#[derive(NifMap)]
#[rustler(decode)]
pub struct JobFilterTerm {
    instance: String,
    states: Vec<String>,
    action: Option<String>,
    limit: Option<u32>,
}

impl TryFrom<JobFilterTerm> for JobFilter {
    type Error = StoreError;

    fn try_from(term: JobFilterTerm) -> Result<Self> {
        let states = term.states.iter().map(|name| {
            JobState::from_name(name)
                .ok_or_else(|| StoreError::invalid(format!("{name:?} is no state of a job")))
        });
        Ok(Self {
            states: states.collect::<Result<_>>()?,
            instance: term.instance,
            action: term.action,
            limit: term.limit,
        })
    }
}

pub fn json(job: jobs::Job) -> Json {
    Json(serde_json::to_value(job).unwrap_or_default())
}

pub fn jsons(jobs: Vec<jobs::Job>) -> Vec<Json> {
    jobs.into_iter().map(json).collect()
}
