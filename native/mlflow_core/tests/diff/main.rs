//! The three-way diff between a trial, its run and what both agreed on last.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod base;
mod end_time;
mod fields;
mod metrics;
mod name;
mod params;
mod policies;
mod properties;
mod status;
mod tags;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use mlflow_core::diff::{self, Base, Direction, Plan, Policy};
use mlflow_core::model::{LifecycleStage, Metric, MetricValue, Run, RunStatus, Trial};

const DIRECTIONS: [Direction; 3] = [Direction::Push, Direction::Pull, Direction::Both];

fn pushes(direction: Direction) -> bool {
    direction != Direction::Pull
}

fn pulls(direction: Direction) -> bool {
    direction != Direction::Push
}

/// A trial that has only just begun, and holds nothing.
fn trial() -> Trial {
    Trial {
        id: "t1".to_owned(),
        name: None,
        status: RunStatus::Running,
        start_time: Some(1),
        end_time: None,
        artifact_uri: None,
        version: None,
        params: BTreeMap::new(),
        tags: BTreeMap::new(),
        points: Vec::new(),
    }
}

/// The run of a trial that has only just begun.
fn run() -> Run {
    Run {
        run_id: "0123456789abcdef0123456789abcdef".to_owned(),
        experiment_id: "7".to_owned(),
        name: None,
        status: RunStatus::Running,
        start_time: Some(1),
        end_time: None,
        artifact_uri: None,
        lifecycle_stage: LifecycleStage::Active,
        user_id: None,
        params: BTreeMap::new(),
        metrics: Vec::new(),
        tags: BTreeMap::new(),
    }
}

fn metric(key: &str, value: f64, timestamp: i64, step: i64) -> Metric {
    Metric {
        key: key.to_owned(),
        value: MetricValue(value),
        timestamp,
        step,
    }
}

fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// The diff where the trial wins.
fn diff(trial: &Trial, base: Option<&Arc<Base>>, run: Option<&Run>, direction: Direction) -> Plan {
    diff::diff(trial, base, run, direction, &Policy::default())
}

/// The base that two equal sides leave behind.
fn agreed(trial: &Trial, run: &Run) -> Arc<Base> {
    let plan = diff(trial, None, Some(run), Direction::Both);
    assert!(plan.push.is_empty(), "{:?}", plan.push);
    assert_eq!(plan.pull, Default::default());
    plan.base
}
