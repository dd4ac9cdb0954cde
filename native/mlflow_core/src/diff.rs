//! The three-way diff between a trial, its run, and what both agreed on last. Pure: no I/O.
//!
//! For every field the *base* tells which side changed. Changed here only: pushed. Changed there
//! only: pulled. Changed on both sides: a conflict, which the trial wins and which is reported.
//! Params are the exception: MLflow never changes one, so a differing param is a conflict before
//! it is a request, and the run keeps its value. Tags under `mlflow.` belong to the server.

mod value;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::api::RunUpdate;
use crate::model::{Metric, Param, Run, RunStatus, Tag, Trial};

/// Tags under this prefix are the server's and MLflow's own clients'.
const RESERVED_TAGS: &str = "mlflow.";

const BASE_VERSION: u32 = 1;

/// What both sides agreed on last, kept beside the run record as compact JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    version: u32,
    name: Option<String>,
    status: Option<RunStatus>,
    end_time: Option<i64>,
    params: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    /// The latest agreed point of each key.
    metrics: BTreeMap<String, Metric>,
}

impl Base {
    /// A base that cannot be read, or of another version, is as good as none: the merge is then
    /// made without it, which is safe.
    pub fn from_json(json: &str) -> Option<Self> {
        serde_json::from_str(json)
            .ok()
            .filter(|base: &Self| base.version == BASE_VERSION)
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Which way changes are carried. What is not carried stays a difference for the next diff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Push,
    Pull,
    Both,
}

impl Direction {
    fn pushes(self) -> bool {
        self != Self::Pull
    }

    fn pulls(self) -> bool {
        self != Self::Push
    }
}

/// A field that changed on both sides, or a param that cannot change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// `status`, `name`, `end_time`, `param` or `tag`.
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
    pub end_time: Option<i64>,
    pub params: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    pub deleted_tags: Vec<String>,
    pub points: Vec<Metric>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub push: Push,
    pub pull: Pull,
    pub conflicts: Vec<Conflict>,
    /// The base once the plan is carried out.
    pub base: Base,
}

/// Compares a trial with its run. Without a `run` the server is taken to be where the base left it
/// (or to hold nothing, without a base), so that a push needs no request to compare.
pub fn diff(trial: &Trial, base: Option<&Base>, run: Option<&Run>, direction: Direction) -> Plan {
    let remote = match (run, base) {
        (Some(run), _) => Remote::from_run(run),
        (None, Some(base)) => Remote::from_base(base),
        (None, None) => Remote::default(),
    };
    let mut merge = Merge {
        trial,
        base,
        remote,
        direction,
        plan: Plan::default(),
    };
    merge.plan.base = Base {
        version: BASE_VERSION,
        ..base.cloned().unwrap_or_default()
    };
    merge.name();
    merge.status();
    merge.end_time();
    merge.params();
    merge.tags();
    merge.metrics();
    merge.plan
}

/// The server's side of the comparison, seen or remembered.
#[derive(Default)]
struct Remote<'a> {
    name: Option<&'a String>,
    status: Option<&'a RunStatus>,
    end_time: Option<&'a i64>,
    params: Option<&'a BTreeMap<String, String>>,
    tags: Option<&'a BTreeMap<String, String>>,
    metrics: Vec<&'a Metric>,
}

impl<'a> Remote<'a> {
    fn from_run(run: &'a Run) -> Self {
        Self {
            name: run.name.as_ref(),
            status: Some(&run.status),
            end_time: run.end_time.as_ref(),
            params: Some(&run.params),
            tags: Some(&run.tags),
            metrics: run.metrics.iter().collect(),
        }
    }

    fn from_base(base: &'a Base) -> Self {
        Self {
            name: base.name.as_ref(),
            status: base.status.as_ref(),
            end_time: base.end_time.as_ref(),
            params: Some(&base.params),
            tags: Some(&base.tags),
            metrics: base.metrics.values().collect(),
        }
    }
}

/// Which side a field's change is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changed {
    Neither,
    Here,
    There,
    Both,
}

/// `base` is `None` where there is none; then a value on one side only counts as that side's.
fn changed<T: PartialEq>(
    local: Option<&T>,
    base: Option<Option<&T>>,
    remote: Option<&T>,
) -> Changed {
    if local == remote {
        return Changed::Neither;
    }
    match base {
        Some(base) if local == base => Changed::There,
        Some(base) if remote == base => Changed::Here,
        None if remote.is_none() => Changed::Here,
        None if local.is_none() => Changed::There,
        _ => Changed::Both,
    }
}

struct Merge<'a> {
    trial: &'a Trial,
    base: Option<&'a Base>,
    remote: Remote<'a>,
    direction: Direction,
    plan: Plan,
}

impl Merge<'_> {
    fn name(&mut self) {
        let base = self.base.map(|base| base.name.as_ref());
        let change = changed(self.trial.name.as_ref(), base, self.remote.name);
        match (change, &self.trial.name) {
            (Changed::Neither, name) => self.plan.base.name = name.clone(),
            (Changed::There, _) if self.direction.pulls() => {
                self.plan.pull.name = self.remote.name.cloned();
                self.plan.base.name = self.remote.name.cloned();
            }
            (Changed::Here | Changed::Both, Some(name)) => {
                let remote = self.remote.name.cloned();
                if change == Changed::Both {
                    self.conflict("name", None, Some(name.clone()), remote, Winner::Local);
                }
                if self.direction.pushes() {
                    self.plan.push.update.run_name = Some(name.clone());
                    self.plan.base.name = Some(name.clone());
                }
            }
            _ => {}
        }
    }

    fn status(&mut self) {
        let local = &self.trial.status;
        match self.status_change() {
            Changed::Neither => self.plan.base.status = Some(local.clone()),
            Changed::There if self.direction.pulls() => {
                self.plan.pull.status = self.remote.status.cloned();
                self.plan.base.status = self.remote.status.cloned();
            }
            Changed::There => {}
            change => {
                if change == Changed::Both {
                    let remote = self.remote.status.map(|status| status.as_str().to_owned());
                    let local = Some(local.as_str().to_owned());
                    self.conflict("status", None, local, remote, Winner::Local);
                }
                if self.direction.pushes() {
                    self.plan.push.update.status = Some(local.clone());
                    self.plan.base.status = Some(local.clone());
                }
            }
        }
    }

    /// Without a base, an ended side has simply got further than one that has not.
    fn status_change(&self) -> Changed {
        let base = self.base.map(|base| base.status.as_ref());
        match (
            changed(Some(&self.trial.status), base, self.remote.status),
            self.remote.status,
        ) {
            (Changed::Both, Some(remote)) if base.is_none() => {
                match (self.trial.status.is_terminal(), remote.is_terminal()) {
                    (false, true) => Changed::There,
                    (true, true) => Changed::Both,
                    (_, false) => Changed::Here,
                }
            }
            (change, _) => change,
        }
    }

    /// An end time means something only beside an ended status, and goes where the status goes.
    fn end_time(&mut self) {
        let base = self.base.map(|base| base.end_time.as_ref());
        let change = changed(self.trial.end_time.as_ref(), base, self.remote.end_time);
        match change {
            Changed::Neither => self.plan.base.end_time = self.trial.end_time,
            Changed::There if self.direction.pulls() => {
                self.plan.pull.end_time = self.remote.end_time.copied();
                self.plan.base.end_time = self.remote.end_time.copied();
            }
            Changed::Here | Changed::Both if self.ends_here() => {
                self.plan.push.update.end_time = self.trial.end_time;
                self.plan.base.end_time = self.trial.end_time;
            }
            _ => {}
        }
    }

    fn ends_here(&self) -> bool {
        self.direction.pushes()
            && self.trial.status.is_terminal()
            && self.trial.end_time.is_some()
            && self.plan.pull.status.is_none()
    }

    fn params(&mut self) {
        let empty = BTreeMap::new();
        let remote = self.remote.params.unwrap_or(&empty);
        for (key, value) in &self.trial.params {
            match remote.get(key) {
                None if self.direction.pushes() => {
                    self.plan.push.params.push(Param {
                        key: key.clone(),
                        value: value.clone(),
                    });
                    self.plan.base.params.insert(key.clone(), value.clone());
                }
                None => {}
                Some(theirs) if value::same_param(value, theirs) => {
                    self.plan.base.params.insert(key.clone(), theirs.clone());
                }
                Some(theirs) => {
                    self.plan.base.params.insert(key.clone(), theirs.clone());
                    let (local, remote) = (Some(value.clone()), Some(theirs.clone()));
                    self.conflict("param", Some(key), local, remote, Winner::Remote);
                }
            }
        }
        for (key, theirs) in remote
            .iter()
            .filter(|(key, _)| !self.trial.params.contains_key(*key))
        {
            let known = self.base.is_some_and(|base| base.params.contains_key(key));
            if !known && self.direction.pulls() {
                self.plan.pull.params.insert(key.clone(), theirs.clone());
                self.plan.base.params.insert(key.clone(), theirs.clone());
            }
        }
    }

    fn tags(&mut self) {
        let empty = BTreeMap::new();
        let remote = self.remote.tags.unwrap_or(&empty);
        let keys: BTreeSet<&String> = self.trial.tags.keys().chain(remote.keys()).collect();
        for key in keys
            .into_iter()
            .filter(|key| !key.starts_with(RESERVED_TAGS))
        {
            let (local, theirs) = (self.trial.tags.get(key), remote.get(key));
            let base = self.base.map(|base| base.tags.get(key));
            let change = changed(local, base, theirs);
            match change {
                Changed::Neither => agree(&mut self.plan.base.tags, key, local),
                Changed::There if self.direction.pulls() => {
                    match theirs {
                        Some(value) => {
                            self.plan.pull.tags.insert(key.clone(), value.clone());
                        }
                        None => self.plan.pull.deleted_tags.push(key.clone()),
                    }
                    agree(&mut self.plan.base.tags, key, theirs);
                }
                Changed::There => {}
                Changed::Here | Changed::Both => {
                    if change == Changed::Both {
                        let (local, remote) = (local.cloned(), theirs.cloned());
                        self.conflict("tag", Some(key), local, remote, Winner::Local);
                    }
                    if self.direction.pushes() {
                        match local {
                            Some(value) => {
                                let tag = Tag {
                                    key: key.clone(),
                                    value: value.clone(),
                                };
                                self.plan.push.tags.push(tag);
                            }
                            None => self.plan.push.deleted_tags.push(key.clone()),
                        }
                        agree(&mut self.plan.base.tags, key, local);
                    }
                }
            }
        }
    }

    /// Points are only ever added, on either side, so they cannot conflict.
    fn metrics(&mut self) {
        if self.direction.pulls() {
            for theirs in &self.remote.metrics {
                let agreed = self.plan.base.metrics.get(&theirs.key) == Some(*theirs);
                if !agreed && !self.trial.points.contains(theirs) {
                    self.plan.pull.points.push((*theirs).clone());
                    agree_latest(&mut self.plan.base.metrics, theirs);
                }
            }
        }
        if self.direction.pushes() {
            for point in &self.trial.points {
                let agreed = self
                    .base
                    .is_some_and(|b| b.metrics.get(&point.key) == Some(point));
                if !agreed && !self.remote.metrics.contains(&point) {
                    self.plan.push.points.push(point.clone());
                }
                agree_latest(&mut self.plan.base.metrics, point);
            }
        }
    }

    fn conflict(
        &mut self,
        field: &'static str,
        key: Option<&String>,
        local: Option<String>,
        remote: Option<String>,
        winner: Winner,
    ) {
        let key = key.cloned();
        self.plan.conflicts.push(Conflict {
            field,
            key,
            local,
            remote,
            winner,
        });
    }
}

fn agree(base: &mut BTreeMap<String, String>, key: &str, value: Option<&String>) {
    match value {
        Some(value) => base.insert(key.to_owned(), value.clone()),
        None => base.remove(key),
    };
}

/// MLflow's latest point of a key is the one with the highest step, then timestamp, then value.
fn agree_latest(base: &mut BTreeMap<String, Metric>, point: &Metric) {
    let order = |metric: &Metric| (metric.step, metric.timestamp);
    let later = base.get(&point.key).is_none_or(|known| {
        order(known) < order(point)
            || (order(known) == order(point) && known.value.0 <= point.value.0)
    });
    if later {
        base.insert(point.key.clone(), point.clone());
    }
}
