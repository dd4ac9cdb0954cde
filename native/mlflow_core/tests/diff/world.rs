//! A model of both sides: a trial with its outbox, and a server that keeps runs as MLflow does.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use mlflow_core::diff::{Base, Conflict, Direction, Plan, Policy, Pull, Push, Winner, diff};
use mlflow_core::model::{Metric, MetricValue, Run, RunStatus, Trial};

use super::{pushes, run, trial};

#[derive(Clone, Debug, PartialEq)]
pub struct World {
    pub trial: Trial,
    /// Every point the trial knows, pulled ones included.
    pub recorded: HashSet<Metric>,
    /// The trial's one value of each metric.
    pub values: BTreeMap<String, MetricValue>,
    pub run: Run,
    /// Every point the server has.
    pub stored: HashSet<Metric>,
    pub base: Option<Arc<Base>>,
    pub policy: Policy,
}

/// One thing that happens to a trial or to its run.
#[derive(Clone, Debug)]
pub enum Event {
    Here(Change),
    There(Change),
    Sync(Direction),
    /// A push that trusts the base and does not read the run.
    BlindPush,
}

#[derive(Clone, Debug)]
pub enum Change {
    Rename(String),
    End(RunStatus, Option<i64>),
    Restart,
    SetParam(String, String),
    SetTag(String, String),
    DeleteTag(String),
    Record(Metric),
    /// Only a trial can be told another beginning or place; a run has its own for good.
    Start(Option<i64>),
    Place(Option<String>),
}

impl World {
    pub fn new(policy: Policy, version: Option<i64>) -> Self {
        Self {
            trial: Trial { version, ..trial() },
            recorded: HashSet::new(),
            values: BTreeMap::new(),
            run: placed_run(),
            stored: HashSet::new(),
            base: None,
            policy,
        }
    }

    pub fn happen(&mut self, event: &Event) {
        match event {
            Event::Here(change) => self.change_trial(change),
            Event::There(change) => self.change_run(change),
            Event::Sync(direction) => {
                self.sync(*direction);
            }
            Event::BlindPush => self.blind_push(),
        }
    }

    pub fn plan(&self, direction: Direction) -> Plan {
        let (base, run) = (self.base.as_ref(), Some(&self.run));
        diff(&self.trial, base, run, direction, &self.policy)
    }

    /// Carries a diff out, into a new run where it asks for one, and hands back what it was.
    pub fn sync(&mut self, direction: Direction) -> Plan {
        let plan = self.plan(direction);
        if plan.new_run {
            assert!(plan.push.is_empty() && plan.pull == Pull::default());
            self.begin_new_run();
            return self.sync(direction);
        }
        self.carry_out(&plan, direction);
        plan
    }

    /// As it is created: everything else is still to be pushed.
    fn begin_new_run(&mut self) {
        self.run = Run {
            name: self.trial.name.clone(),
            ..placed_run()
        };
        self.stored.clear();
        self.base = None;
        self.trial.points = self.recorded.iter().cloned().collect();
    }

    fn blind_push(&mut self) {
        let Some(base) = &self.base else { return };
        let plan = diff(&self.trial, Some(base), None, Direction::Push, &self.policy);
        let is_refused = plan.push.params.iter().any(|param| {
            let stored = self.run.params.get(&param.key);
            stored.is_some_and(|stored| *stored != param.value)
        });
        if !is_refused && !plan.new_run && !base.is_contested {
            self.carry_out(&plan, Direction::Push);
        }
    }

    fn carry_out(&mut self, plan: &Plan, direction: Direction) {
        self.push(&plan.push);
        self.pull(&plan.pull);
        self.base = Some(plan.base.clone());
        if pushes(direction) {
            self.trial.points.clear();
        }
    }

    fn push(&mut self, push: &Push) {
        for param in &push.params {
            let stored = self
                .run
                .params
                .insert(param.key.clone(), param.value.clone());
            assert!(
                stored.is_none_or(|stored| stored == param.value),
                "MLflow refuses to change {param:?}"
            );
        }
        for tag in &push.tags {
            self.run.tags.insert(tag.key.clone(), tag.value.clone());
        }
        for key in &push.deleted_tags {
            self.run.tags.remove(key);
        }
        for point in &push.points {
            self.store(point);
        }
        let update = push.update.clone();
        self.run.name = update.run_name.or(self.run.name.take());
        self.run.status = update.status.unwrap_or(self.run.status.clone());
        self.run.end_time = update.end_time.or(self.run.end_time);
    }

    fn pull(&mut self, pull: &Pull) {
        let trial = &mut self.trial;
        for (key, value) in &pull.params {
            let known = trial.params.insert(key.clone(), value.clone());
            assert_eq!(known, None, "a trial's own param is never overwritten");
        }
        trial.tags.extend(pull.tags.clone());
        for key in &pull.deleted_tags {
            trial.tags.remove(key);
        }
        trial.name = pull.name.clone().or(trial.name.take());
        trial.status = pull.status.clone().unwrap_or(trial.status.clone());
        trial.end_time = pull.end_time.or(trial.end_time);
        trial.start_time = pull.start_time.or(trial.start_time);
        trial.artifact_uri = pull.artifact_uri.clone().or(trial.artifact_uri.take());
        self.values.extend(pull.metric_values.clone());
        self.recorded.extend(pull.points.iter().cloned());
    }

    fn change_trial(&mut self, change: &Change) {
        let trial = &mut self.trial;
        match change.clone() {
            Change::Rename(name) => trial.name = Some(name),
            Change::End(status, end_time) => (trial.status, trial.end_time) = (status, end_time),
            Change::Restart => (trial.status, trial.end_time) = (RunStatus::Running, None),
            Change::SetParam(key, value) => {
                trial.params.insert(key, value);
            }
            Change::SetTag(key, value) => {
                trial.tags.insert(key, value);
            }
            Change::DeleteTag(key) => {
                trial.tags.remove(&key);
            }
            Change::Record(point) => {
                if self.recorded.insert(point.clone()) {
                    self.values.insert(point.key.clone(), point.value);
                    trial.points.push(point);
                }
            }
            Change::Start(time) => trial.start_time = time,
            Change::Place(uri) => trial.artifact_uri = uri,
        }
    }

    /// MLflow never takes an end time away, and never changes a param.
    fn change_run(&mut self, change: &Change) {
        let run = &mut self.run;
        match change.clone() {
            Change::Rename(name) => run.name = Some(name),
            Change::End(status, end_time) => {
                (run.status, run.end_time) = (status, end_time.or(run.end_time));
            }
            Change::Restart => run.status = RunStatus::Running,
            Change::SetParam(key, value) => {
                run.params.entry(key).or_insert(value);
            }
            Change::SetTag(key, value) => {
                run.tags.insert(key, value);
            }
            Change::DeleteTag(key) => {
                run.tags.remove(&key);
            }
            Change::Record(point) => self.store(&point),
            Change::Start(_) | Change::Place(_) => {}
        }
    }

    fn store(&mut self, point: &Metric) {
        let value = MetricValue(point.value.0.clamp(f64::MIN, f64::MAX));
        let point = Metric {
            value,
            ..point.clone()
        };
        let is_new = self.stored.insert(point.clone());
        let latest = self
            .run
            .metrics
            .iter_mut()
            .find(|latest| latest.key == point.key);
        match latest {
            Some(latest) if is_new && rank(latest) < rank(&point) => *latest = point,
            Some(_) => {}
            None => self.run.metrics.push(point),
        }
        self.run.metrics.sort_by(|one, two| one.key.cmp(&two.key));
    }
}

fn placed_run() -> Run {
    Run {
        artifact_uri: Some("there".to_owned()),
        ..run()
    }
}

/// By what MLflow calls a point later than another.
fn rank(point: &Metric) -> (i64, i64, f64) {
    let value = point.value.0;
    let stored = if value.is_nan() { 0.0 } else { value };
    (point.step, point.timestamp, stored)
}

/// The params of a trial that its run has otherwise.
pub fn only_params(conflicts: &[Conflict]) -> bool {
    conflicts.iter().all(|conflict| conflict.field == "param")
}

pub fn is_theirs(conflict: &&Conflict) -> bool {
    conflict.winner == Winner::Remote
}

pub fn reserved(tags: &BTreeMap<String, String>) -> Vec<(&String, &String)> {
    let mut reserved: Vec<_> = tags.iter().collect();
    reserved.retain(|(key, _)| key.starts_with("mlflow."));
    reserved
}
