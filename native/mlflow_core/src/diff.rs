//! The three-way diff between a trial, its run, and what both agreed on last. Pure: no I/O.
//!
//! For every field the *base* tells which side changed. Changed here only: pushed. Changed there
//! only: pulled. Changed on both sides: a conflict, which the policy settles and which is reported.
//! What the run wins is never pushed over: where it is not pulled it stays a difference.

mod base;
mod change;
mod fields;
mod metrics;
mod params;
mod policy;
mod tags;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use self::base::Base;
pub use self::policy::{ParamPolicy, Policy, Side};
use crate::api::RunUpdate;
use crate::model::{Metric, MetricValue, Param, Run, RunStatus, Tag, Trial};

/// Which way changes are carried. What is not carried stays a difference for the next diff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Push,
    Pull,
    Both,
}

impl Direction {
    pub fn pushes(self) -> bool {
        self != Self::Pull
    }

    pub fn pulls(self) -> bool {
        self != Self::Push
    }
}

/// A field that changed on both sides, or that cannot change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// `status`, `name`, `start_time`, `end_time`, `artifact_uri`, `param`, `tag` or `metric`.
    pub field: &'static str,
    pub key: Option<String>,
    pub local: Option<String>,
    pub remote: Option<String>,
    pub winner: Winner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Winner {
    Local,
    Remote,
}

/// What must go to the server. Params and points are in the order they were recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Push {
    pub params: Vec<Param>,
    pub tags: Vec<Tag>,
    pub deleted_tags: Vec<String>,
    pub points: Vec<Metric>,
    pub update: RunUpdate,
}

impl Push {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What must go into the trial.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pull {
    pub name: Option<String>,
    pub status: Option<RunStatus>,
    pub start_time: Option<i64>,
    pub end_time: Option<i64>,
    pub artifact_uri: Option<String>,
    pub params: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    pub deleted_tags: Vec<String>,
    pub points: Vec<Metric>,
    /// The metrics of which the trial has another value from now on. A point may be pulled without
    /// becoming the value.
    pub metric_values: BTreeMap<String, MetricValue>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub push: Push,
    pub pull: Pull,
    pub conflicts: Vec<Conflict>,
    /// A param cannot be brought in step, and the policy wants a new run for it. Nothing else is
    /// planned then: this run is left as it is.
    pub new_run: bool,
    /// The base once the plan is carried out, shared with the last one where nothing changed.
    pub base: Arc<Base>,
}

/// Compares a trial with its run. Without a `run` the server is taken to be where the base left it
/// (or to hold nothing, without a base), so that a push needs no request to compare.
pub fn diff(
    trial: &Trial,
    base: Option<&Arc<Base>>,
    run: Option<&Run>,
    direction: Direction,
    policy: &Policy,
) -> Plan {
    let mut merge = Merge {
        trial,
        base: base.map(Arc::as_ref),
        remote: Remote::new(run, base.map(Arc::as_ref)),
        direction,
        policy,
        plan: Plan {
            base: Base::next(base, run.is_some()),
            ..Plan::default()
        },
    };
    merge.params();
    if merge.plan.new_run {
        return Plan {
            conflicts: merge.plan.conflicts,
            new_run: true,
            base: base.cloned().unwrap_or_default(),
            ..Plan::default()
        };
    }
    merge.name();
    merge.status();
    merge.start_time();
    merge.end_time();
    merge.artifact_uri();
    merge.tags();
    merge.metrics();
    merge.plan
}

/// What a side has that has nothing.
static NONE: BTreeMap<String, String> = BTreeMap::new();

/// The server's side of the comparison, seen or remembered.
struct Remote<'a> {
    name: Option<&'a String>,
    status: Option<&'a RunStatus>,
    start_time: Option<&'a i64>,
    end_time: Option<&'a i64>,
    artifact_uri: Option<&'a String>,
    params: &'a BTreeMap<String, String>,
    tags: &'a BTreeMap<String, String>,
    metrics: Vec<&'a Metric>,
}

impl<'a> Remote<'a> {
    fn new(run: Option<&'a Run>, base: Option<&'a Base>) -> Self {
        match (run, base) {
            (Some(run), _) => Self::from_run(run),
            (None, Some(base)) => Self::from_base(base),
            (None, None) => Self::nothing(),
        }
    }

    fn nothing() -> Self {
        Self {
            name: None,
            status: None,
            start_time: None,
            end_time: None,
            artifact_uri: None,
            params: &NONE,
            tags: &NONE,
            metrics: Vec::new(),
        }
    }

    fn from_run(run: &'a Run) -> Self {
        Self {
            name: run.name.as_ref(),
            status: Some(&run.status),
            // MLflow has 0 where it was told of none.
            start_time: run.start_time.as_ref().filter(|time| **time != 0),
            end_time: run.end_time.as_ref(),
            artifact_uri: run.artifact_uri.as_ref().filter(|uri| !uri.is_empty()),
            params: &run.params,
            tags: &run.tags,
            metrics: run.metrics.iter().collect(),
        }
    }

    fn from_base(base: &'a Base) -> Self {
        Self {
            name: base.name.as_ref(),
            status: base.status.as_ref(),
            start_time: base.start_time.as_ref(),
            end_time: base.end_time.as_ref(),
            artifact_uri: base.artifact_uri.as_ref(),
            params: &base.params,
            tags: &base.tags,
            metrics: base.metrics.values().collect(),
        }
    }
}

struct Merge<'a> {
    trial: &'a Trial,
    base: Option<&'a Base>,
    remote: Remote<'a>,
    direction: Direction,
    policy: &'a Policy,
    plan: Plan,
}

impl<'a> Merge<'a> {
    fn known_params(&self) -> &'a BTreeMap<String, String> {
        self.base.map_or(&NONE, |base| &base.params)
    }

    fn known_tags(&self) -> &'a BTreeMap<String, String> {
        self.base.map_or(&NONE, |base| &base.tags)
    }

    /// Settles what both sides changed, and reports it.
    fn settle<T: ToString>(
        &mut self,
        side: Side,
        field: &'static str,
        key: Option<&str>,
        local: Option<&T>,
        remote: Option<&T>,
    ) -> Winner {
        let winner = self.winner(side);
        self.conflict(field, key, local, remote, winner);
        if winner == Winner::Remote && !self.direction.pulls() {
            self.contest();
        }
        winner
    }

    fn conflict<T: ToString>(
        &mut self,
        field: &'static str,
        key: Option<&str>,
        local: Option<&T>,
        remote: Option<&T>,
        winner: Winner,
    ) {
        self.plan.conflicts.push(Conflict {
            field,
            key: key.map(str::to_owned),
            local: local.map(T::to_string),
            remote: remote.map(T::to_string),
            winner,
        });
    }
}
