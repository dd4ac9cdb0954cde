//! How far an order got.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlflow_core::diff::{Base, Conflict, Pull, Push, Winner};
use mlflow_core::model::MetricValue;
use mlflow_core::sync::{Creation, Report};
use rustler::{NifMap, NifUnitEnum};

use crate::terms::run::StatusTerm;
use crate::terms::{ErrorTerm, MetricMap, MetricValueTerm, PointTerm, RunTerm, StringMap, points};

#[derive(NifMap)]
#[rustler(encode)]
pub struct ReportTerm {
    creation: CreationTerm,
    run_id: Option<String>,
    run: Option<RunTerm>,
    duplicates: Vec<String>,
    superseded: Option<String>,
    base: String,
    agreed: AgreedTerm,
    pushed: PushedTerm,
    pull: PullTerm,
    conflicts: Vec<ConflictTerm>,
    reads: u64,
    writes: u64,
    error: Option<ErrorTerm>,
}

#[derive(NifUnitEnum)]
enum CreationTerm {
    NotNeeded,
    Created,
    Adopted,
    Refused,
    Unknown,
    Unsettled,
}

/// The base again, readable: what both sides now have.
#[derive(NifMap)]
#[rustler(encode)]
struct AgreedTerm {
    name: Option<String>,
    status: Option<StatusTerm>,
    end_time: Option<i64>,
    params: StringMap,
    tags: StringMap,
    metrics: MetricMap,
}

/// How much went to the server.
#[derive(NifMap)]
#[rustler(encode)]
struct PushedTerm {
    params: usize,
    tags: usize,
    deleted_tags: Vec<String>,
    points: usize,
    updated: bool,
}

#[derive(NifMap)]
#[rustler(encode)]
struct PullTerm {
    name: Option<String>,
    status: Option<StatusTerm>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    artifact_uri: Option<String>,
    params: StringMap,
    tags: StringMap,
    deleted_tags: Vec<String>,
    points: Vec<PointTerm>,
    metric_values: MetricMap,
}

#[derive(NifMap)]
#[rustler(encode)]
pub struct ConflictTerm {
    field: &'static str,
    key: Option<String>,
    local: Option<String>,
    remote: Option<String>,
    winner: WinnerTerm,
}

#[derive(NifUnitEnum)]
enum WinnerTerm {
    Local,
    Remote,
}

impl From<Report> for ReportTerm {
    fn from(report: Report) -> Self {
        let plan = report.plan;
        Self {
            creation: report.creation.into(),
            run_id: report.run_id,
            run: report.run.map(RunTerm::from),
            duplicates: report.duplicates,
            superseded: report.superseded,
            base: plan.base.to_json(),
            agreed: Arc::unwrap_or_clone(plan.base).into(),
            pushed: plan.push.into(),
            pull: plan.pull.into(),
            conflicts: plan.conflicts.into_iter().map(ConflictTerm::from).collect(),
            reads: report.requests.reads,
            writes: report.requests.writes,
            error: report.error.map(ErrorTerm::from),
        }
    }
}

impl From<Creation> for CreationTerm {
    fn from(creation: Creation) -> Self {
        match creation {
            Creation::NotNeeded => Self::NotNeeded,
            Creation::Created => Self::Created,
            Creation::Adopted => Self::Adopted,
            Creation::Refused => Self::Refused,
            Creation::Unknown => Self::Unknown,
            Creation::Unsettled => Self::Unsettled,
        }
    }
}

impl From<Base> for AgreedTerm {
    fn from(base: Base) -> Self {
        let latest = base.metrics.into_iter();
        let latest = latest.map(|(key, metric)| (key, metric.value)).collect();
        Self {
            name: base.name,
            status: base.status.map(StatusTerm),
            end_time: base.end_time,
            params: base.params.into(),
            tags: base.tags.into(),
            metrics: values(latest),
        }
    }
}

fn values(values: BTreeMap<String, MetricValue>) -> MetricMap {
    let terms = values.into_iter();
    let terms: BTreeMap<_, _> = terms
        .map(|(key, value)| (key, MetricValueTerm(value.0)))
        .collect();
    terms.into()
}

impl From<Push> for PushedTerm {
    fn from(push: Push) -> Self {
        Self {
            params: push.params.len(),
            tags: push.tags.len(),
            deleted_tags: push.deleted_tags,
            points: push.points.len(),
            updated: push.update != Default::default(),
        }
    }
}

impl From<Pull> for PullTerm {
    fn from(pull: Pull) -> Self {
        Self {
            name: pull.name,
            status: pull.status.map(StatusTerm),
            start_time: pull.start_time,
            end_time: pull.end_time,
            artifact_uri: pull.artifact_uri,
            params: pull.params.into(),
            tags: pull.tags.into(),
            deleted_tags: pull.deleted_tags,
            points: points(pull.points),
            metric_values: values(pull.metric_values),
        }
    }
}

impl From<Conflict> for ConflictTerm {
    fn from(conflict: Conflict) -> Self {
        Self {
            field: conflict.field,
            key: conflict.key,
            local: conflict.local,
            remote: conflict.remote,
            winner: match conflict.winner {
                Winner::Local => WinnerTerm::Local,
                Winner::Remote => WinnerTerm::Remote,
            },
        }
    }
}
