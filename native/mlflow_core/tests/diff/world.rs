//! A model of both sides: a trial with its outbox, and a server that keeps runs as MLflow does.

use std::collections::{BTreeMap, HashSet};

use mlflow_core::diff::{Base, Conflict, Direction, Plan, Pull, Push, diff};
use mlflow_core::model::{Metric, MetricValue, Run, RunStatus, Trial};

use super::{pushes, run, trial};

#[derive(Clone, Debug, PartialEq)]
pub struct World {
    pub trial: Trial,
    /// Every point the trial knows, pulled ones included.
    pub recorded: HashSet<Metric>,
    pub run: Run,
    /// Every point the server has.
    pub stored: HashSet<Metric>,
    pub base: Option<Base>,
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
}

impl World {
    pub fn new() -> Self {
        Self {
            trial: trial(),
            recorded: HashSet::new(),
            run: run(),
            stored: HashSet::new(),
            base: None,
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
        diff(&self.trial, self.base.as_ref(), Some(&self.run), direction)
    }

    /// Carries a diff out, and hands back what it was.
    pub fn sync(&mut self, direction: Direction) -> Plan {
        let plan = self.plan(direction);
        self.carry_out(&plan, direction);
        plan
    }

    fn blind_push(&mut self) {
        let Some(base) = &self.base else { return };
        let plan = diff(&self.trial, Some(base), None, Direction::Push);
        let is_refused = plan.push.params.iter().any(|param| {
            let stored = self.run.params.get(&param.key);
            stored.is_some_and(|stored| *stored != param.value)
        });
        if !is_refused {
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
                    trial.points.push(point);
                }
            }
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

pub fn reserved(tags: &BTreeMap<String, String>) -> Vec<(&String, &String)> {
    let mut reserved: Vec<_> = tags.iter().collect();
    reserved.retain(|(key, _)| key.starts_with("mlflow."));
    reserved
}
