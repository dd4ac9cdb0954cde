//! A sync order on its way down and its report on the way up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mlflow_core::diff::{Base, Conflict, Direction, Policy, Pull, Push, Winner};
use mlflow_core::model::{Run, Tag, Trial};
use mlflow_core::sync::{Creation, Order, Report, Target};
use rustler::{NifMap, NifTaggedEnum, NifUnitEnum};

use super::metric::{from_point, to_point};
use super::run::StatusTerm;
use super::{ErrorTerm, MetricMap, MetricValueTerm, PointTerm, RunTerm, StringMap};

#[derive(NifMap)]
#[rustler(decode)]
pub struct OrderTerm {
    direction: DirectionTerm,
    trial: TrialTerm,
    base: Option<String>,
    target: TargetTerm,
}

#[derive(NifUnitEnum)]
enum DirectionTerm {
    Push,
    Pull,
    Both,
}

#[derive(NifMap)]
#[rustler(decode)]
struct TrialTerm {
    id: String,
    name: Option<String>,
    status: StatusTerm,
    start_time: Option<i64>,
    end_time: Option<i64>,
    params: StringMap,
    tags: StringMap,
    points: Vec<PointTerm>,
}

#[derive(NifTaggedEnum)]
#[rustler(decode)]
enum TargetTerm {
    New(String),
    Unknown(String, String, String, u64),
    Existing(String),
    Read(Box<RunTerm>),
}

impl From<OrderTerm> for Order {
    fn from(term: OrderTerm) -> Self {
        Self {
            direction: match term.direction {
                DirectionTerm::Push => Direction::Push,
                DirectionTerm::Pull => Direction::Pull,
                DirectionTerm::Both => Direction::Both,
            },
            trial: term.trial.into(),
            base: term.base.as_deref().and_then(Base::from_json).map(Arc::new),
            policy: Policy::default(),
            target: term.target.into(),
        }
    }
}

impl From<TrialTerm> for Trial {
    fn from(term: TrialTerm) -> Self {
        Self {
            id: term.id,
            name: term.name,
            status: term.status.0,
            start_time: term.start_time,
            end_time: term.end_time,
            artifact_uri: None,
            version: None,
            params: term.params.0,
            tags: term.tags.0,
            points: term.points.into_iter().map(from_point).collect(),
        }
    }
}

impl From<TargetTerm> for Target {
    fn from(term: TargetTerm) -> Self {
        match term {
            TargetTerm::New(experiment_id) => Self::New { experiment_id },
            TargetTerm::Unknown(experiment_id, key, value, settling) => Self::Unknown {
                experiment_id,
                tag: Tag { key, value },
                settling: Duration::from_millis(settling),
            },
            TargetTerm::Existing(run_id) => Self::Existing { run_id },
            TargetTerm::Read(run) => Self::Read(Box::new(Run::from(*run))),
        }
    }
}

#[derive(NifMap)]
#[rustler(encode)]
pub struct ReportTerm {
    creation: CreationTerm,
    run_id: Option<String>,
    run: Option<RunTerm>,
    duplicates: Vec<String>,
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
struct ConflictTerm {
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
        let metrics: BTreeMap<_, _> = base
            .metrics
            .into_iter()
            .map(|(key, metric)| (key, MetricValueTerm(metric.value.0)))
            .collect();
        Self {
            name: base.name,
            status: base.status.map(StatusTerm),
            end_time: base.end_time,
            params: base.params.into(),
            tags: base.tags.into(),
            metrics: metrics.into(),
        }
    }
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
            metric_values: values(pull.metric_values),
            params: pull.params.into(),
            tags: pull.tags.into(),
            deleted_tags: pull.deleted_tags,
            points: pull.points.into_iter().map(to_point).collect(),
        }
    }
}

fn values(values: BTreeMap<String, mlflow_core::model::MetricValue>) -> MetricMap {
    let values = values.into_iter();
    let values: BTreeMap<_, _> = values
        .map(|(key, value)| (key, MetricValueTerm(value.0)))
        .collect();
    values.into()
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
