//! A sync order on its way down, and on the way up what became of it or what would.

mod preview;
mod report;

use std::sync::Arc;
use std::time::Duration;

use mlflow_core::diff::{Base, Direction, ParamPolicy, Policy, Side};
use mlflow_core::model::{Run, Tag, Trial};
use mlflow_core::sync::{History, Order, Target};
use rustler::{NifMap, NifTaggedEnum, NifUnitEnum};

pub use self::preview::PreviewTerm;
pub use self::report::ReportTerm;
use super::metric::from_point;
use super::run::StatusTerm;
use super::{PointTerm, RunTerm, StringMap};

#[derive(NifMap)]
#[rustler(decode)]
pub struct OrderTerm {
    direction: DirectionTerm,
    trial: TrialTerm,
    base: Option<String>,
    policy: PolicyTerm,
    param_tag_prefix: String,
    history: HistoryTerm,
    partial: bool,
    tag: (String, String),
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
struct PolicyTerm {
    status: SideTerm,
    times: SideTerm,
    name: SideTerm,
    metrics: SideTerm,
    tags: SideTerm,
    artifact_uri: SideTerm,
    params: ParamPolicyTerm,
}

#[derive(NifUnitEnum)]
enum SideTerm {
    Local,
    Remote,
    Newest,
}

#[derive(NifUnitEnum)]
enum ParamPolicyTerm {
    KeepRemote,
    Tag,
    NewRun,
}

#[derive(NifUnitEnum)]
enum HistoryTerm {
    None,
    Changed,
    All,
}

#[derive(NifMap)]
#[rustler(decode)]
struct TrialTerm {
    id: String,
    name: Option<String>,
    status: StatusTerm,
    start_time: Option<i64>,
    end_time: Option<i64>,
    artifact_uri: Option<String>,
    version: Option<i64>,
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
        let (key, value) = term.tag;
        Self {
            direction: match term.direction {
                DirectionTerm::Push => Direction::Push,
                DirectionTerm::Pull => Direction::Pull,
                DirectionTerm::Both => Direction::Both,
            },
            trial: term.trial.into(),
            base: term.base.as_deref().and_then(Base::from_json).map(Arc::new),
            policy: term.policy.with_prefix(term.param_tag_prefix),
            history: match term.history {
                HistoryTerm::None => History::None,
                HistoryTerm::Changed => History::Changed,
                HistoryTerm::All => History::All,
            },
            is_partial: term.partial,
            tag: Tag { key, value },
            target: term.target.into(),
        }
    }
}

impl PolicyTerm {
    fn with_prefix(self, param_tag_prefix: String) -> Policy {
        Policy {
            status: self.status.into(),
            times: self.times.into(),
            name: self.name.into(),
            metrics: self.metrics.into(),
            tags: self.tags.into(),
            artifact_uri: self.artifact_uri.into(),
            params: match self.params {
                ParamPolicyTerm::KeepRemote => ParamPolicy::KeepRemote,
                ParamPolicyTerm::Tag => ParamPolicy::Tag,
                ParamPolicyTerm::NewRun => ParamPolicy::NewRun,
            },
            param_tag_prefix,
        }
    }
}

impl From<SideTerm> for Side {
    fn from(term: SideTerm) -> Self {
        match term {
            SideTerm::Local => Self::Local,
            SideTerm::Remote => Self::Remote,
            SideTerm::Newest => Self::Newest,
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
            artifact_uri: term.artifact_uri,
            version: term.version,
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
