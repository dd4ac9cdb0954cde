//! The three-way diff between a trial, its run, and what both agreed on last. Pure: no I/O.
//!
//! For every field the *base* tells which side changed. Changed here only: pushed. Changed there
//! only: pulled. Changed on both sides: a conflict, which the trial wins and which is reported.
//! Params are the exception: MLflow never changes one, so a differing param is a conflict before
//! it is a request, and the run keeps its value. Tags under `mlflow.` belong to the server.

mod value;

use std::collections::{BTreeMap, BTreeSet, HashSet};

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
    pub name: Option<String>,
    pub status: Option<RunStatus>,
    pub end_time: Option<i64>,
    pub params: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    /// The latest agreed point of each key.
    pub metrics: BTreeMap<String, Metric>,
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
    /// A name cannot be taken away, so a side without one has no say.
    fn name(&mut self) {
        let local = self.trial.name.as_ref().filter(|name| !name.is_empty());
        let base = self.base.map(|base| base.name.as_ref());
        let remote = self.remote.name;
        match (changed(local, base, remote), local, remote) {
            (Changed::Neither, name, _) => self.plan.base.name = name.cloned(),
            (Changed::There, _, Some(theirs)) | (Changed::Both, None, Some(theirs))
                if self.direction.pulls() =>
            {
                self.plan.pull.name = Some(theirs.clone());
                self.plan.base.name = Some(theirs.clone());
            }
            (change @ (Changed::Here | Changed::Both), Some(name), theirs) => {
                if change == Changed::Both {
                    let (local, remote) = (Some(name.clone()), theirs.cloned());
                    self.conflict("name", None, local, remote, Winner::Local);
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
            // A status that only the server knows is none that a trial could have.
            Changed::There if self.direction.pulls() && !self.is_foreign_status() => {
                self.plan.pull.status = self.remote.status.cloned();
                self.plan.base.status = self.remote.status.cloned();
            }
            // What stays behind is where both were, or the next diff would take it for a change.
            Changed::There => self.plan.base.status = Some(local.clone()),
            Changed::Here if !self.direction.pushes() => {
                self.plan.base.status = self.remote.status.cloned();
            }
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

    fn is_foreign_status(&self) -> bool {
        matches!(self.remote.status, Some(RunStatus::Other(_)))
    }

    /// Without a base, an ended side has simply got further than one that has not.
    fn status_change(&self) -> Changed {
        let base = self.base.and_then(|base| base.status.as_ref()).map(Some);
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

    /// An end time means something only beside an ended status, so each side is taken with the
    /// status it is about to have. It cannot be taken away: a side without one has no say.
    fn end_time(&mut self) {
        let (pulled, pushed) = (&self.plan.pull.status, &self.plan.push.update.status);
        let has_ended = |status: Option<&RunStatus>| status.is_some_and(RunStatus::is_terminal);
        let ends_here = has_ended(pulled.as_ref().or(Some(&self.trial.status)));
        let ends_there = has_ended(pushed.as_ref().or(self.remote.status));
        let local = self.trial.end_time.filter(|_| ends_here);
        let remote = self.remote.end_time.copied().filter(|_| ends_there);
        let base = self.base.map(|base| base.end_time.as_ref());
        let change = changed(local.as_ref(), base, remote.as_ref());
        // What is left over from before a restart is no side's opinion.
        let is_stale_here = local.is_none() || !self.trial.status.is_terminal();
        let is_stale_there = remote.is_none() || !has_ended(self.remote.status);
        let is_theirs = change == Changed::There || (change == Changed::Both && is_stale_here);
        match (change, local, remote) {
            (Changed::Neither, ..) => self.plan.base.end_time = local,
            (_, _, Some(theirs)) if is_theirs && ends_here && self.direction.pulls() => {
                self.plan.pull.end_time = Some(theirs);
                self.plan.base.end_time = Some(theirs);
            }
            (Changed::Here | Changed::Both, Some(ours), _) => {
                if change == Changed::Both && !is_stale_there {
                    let (local, remote) = (Some(ours.to_string()), remote.map(|t| t.to_string()));
                    self.conflict("end_time", None, local, remote, Winner::Local);
                }
                if self.direction.pushes() && ends_there {
                    self.plan.push.update.end_time = Some(ours);
                    self.plan.base.end_time = Some(ours);
                }
            }
            _ => {}
        }
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
        let known = self.base.map_or(&empty, |base| &base.tags);
        let sides = [&self.trial.tags, remote, known];
        let keys: BTreeSet<&String> = sides.into_iter().flat_map(BTreeMap::keys).collect();
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
        let agreed = self.plan.base.metrics.clone();
        if self.direction.pulls() {
            let recorded: HashSet<&Metric> = self.trial.points.iter().collect();
            for theirs in &self.remote.metrics {
                if agreed.get(&theirs.key) != Some(*theirs) && !recorded.contains(theirs) {
                    self.plan.pull.points.push((*theirs).clone());
                    // Whatever order the server keeps them in: this is its latest.
                    let latest = (theirs.key.clone(), (*theirs).clone());
                    self.plan.base.metrics.extend([latest]);
                }
            }
        }
        if self.direction.pushes() {
            let latest: HashSet<&Metric> = self.remote.metrics.iter().copied().collect();
            for point in &self.trial.points {
                if agreed.get(&point.key) != Some(point) && !latest.contains(point) {
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

/// MLflow's latest point of a key is the one with the highest step, then timestamp, then value,
/// where NaN counts as 0; of equal ones it is the first.
fn agree_latest(base: &mut BTreeMap<String, Metric>, point: &Metric) {
    let rank = |metric: &Metric| {
        let value = metric.value.0;
        let value = if value.is_nan() { 0.0 } else { value };
        (metric.step, metric.timestamp, value)
    };
    let known = base.get(&point.key);
    if known.is_none_or(|known| rank(known) < rank(point)) {
        base.insert(point.key.clone(), point.clone());
    }
}
