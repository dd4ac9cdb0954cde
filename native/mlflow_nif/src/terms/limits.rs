//! What is known of a server's limits.

use std::time::Duration;

use mlflow_core::batch::BatchLimits;
use mlflow_core::client::{Limits, ServerProfile};
use rustler::{NifMap, NifTaggedEnum, NifUnitEnum};

#[derive(NifMap)]
#[rustler(encode)]
pub struct LimitsTerm {
    profile: ProfileTerm,
    batch: BatchLimitsTerm,
    rate: Option<f64>,
    circuit: CircuitTerm,
    paused_for: u64,
}

#[derive(NifUnitEnum)]
enum ProfileTerm {
    Mlflow,
    Databricks,
    Azure,
}

#[derive(NifMap)]
#[rustler(encode)]
struct BatchLimitsTerm {
    entities: usize,
    metrics: usize,
    params: usize,
    tags: usize,
    bytes: usize,
}

#[derive(NifTaggedEnum)]
#[rustler(encode)]
enum CircuitTerm {
    Closed,
    Open(u64),
}

impl From<Limits> for LimitsTerm {
    fn from(limits: Limits) -> Self {
        Self {
            profile: limits.profile.into(),
            batch: limits.batch.into(),
            rate: limits.rate,
            circuit: match limits.circuit_open {
                None => CircuitTerm::Closed,
                Some(wait) => CircuitTerm::Open(milliseconds(wait)),
            },
            paused_for: milliseconds(limits.paused_for),
        }
    }
}

impl From<ServerProfile> for ProfileTerm {
    fn from(profile: ServerProfile) -> Self {
        match profile {
            ServerProfile::Mlflow => Self::Mlflow,
            ServerProfile::Databricks => Self::Databricks,
            ServerProfile::Azure => Self::Azure,
        }
    }
}

impl From<BatchLimits> for BatchLimitsTerm {
    fn from(limits: BatchLimits) -> Self {
        let BatchLimits {
            entities,
            metrics,
            params,
            tags,
            bytes,
        } = limits;
        Self {
            entities,
            metrics,
            params,
            tags,
            bytes,
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    time.as_millis() as u64
}
