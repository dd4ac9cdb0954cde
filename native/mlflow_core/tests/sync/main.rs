//! Carrying a diff out against a scripted server.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod create;
mod find;
mod history;
mod known;
mod policies;
mod preview;
mod supersede;
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mlflow_core::client::{Client, ClientConfig};
use mlflow_core::diff::{Base, Direction, Policy, diff};
use mlflow_core::model::{LifecycleStage, Metric, MetricValue, Run, RunStatus, Tag, Trial};
use mlflow_core::sync::{History, Order, Report, Target, carry_out};
use serde_json::{Value, json};
use support::{Received, Reply, Server};

const RUN: &str = "0123456789abcdef0123456789abcdef";
const OTHER_RUN: &str = "fedcba9876543210fedcba9876543210";

const CREATE: &str = "POST /api/2.0/mlflow/runs/create";
const LOG_BATCH: &str = "POST /api/2.0/mlflow/runs/log-batch";
const UPDATE: &str = "POST /api/2.0/mlflow/runs/update";
const SEARCH: &str = "POST /api/2.0/mlflow/runs/search";
const DELETE_TAG: &str = "POST /api/2.0/mlflow/runs/delete-tag";
const GET: &str = "GET /api/2.0/mlflow/runs/get?run_id=0123456789abcdef0123456789abcdef";

fn client(uri: String) -> Client {
    Client::new(ClientConfig {
        tracking_uri: uri,
        attempt_timeout: Duration::from_secs(5),
        total_timeout: Duration::from_secs(10),
        backoff_base: Duration::from_millis(1),
        max_retries: 2,
        ..ClientConfig::default()
    })
    .unwrap()
}

fn order(trial: Trial, target: Target) -> Order {
    Order {
        direction: Direction::Push,
        trial,
        base: None,
        policy: Policy::default(),
        history: History::None,
        is_partial: false,
        tag: our_tag(),
        target,
    }
}

fn new_run() -> Target {
    Target::New {
        experiment_id: "7".to_owned(),
    }
}

fn existing() -> Target {
    Target::Existing {
        run_id: RUN.to_owned(),
    }
}

fn our_tag() -> Tag {
    Tag {
        key: "trial_id".to_owned(),
        value: "t1".to_owned(),
    }
}

/// Gives the order to a server with this script; what it reports, and what it asked for.
async fn carried_out(
    order: Order,
    replies: impl IntoIterator<Item = Reply>,
) -> (Report, Vec<Received>) {
    let server = Server::start(replies).await;
    let report = carry_out(&client(server.uri()), order).await;
    (report, server.finish())
}

fn lines(requests: &[Received]) -> Vec<String> {
    requests.iter().map(Received::line).collect()
}

fn running_trial() -> Trial {
    Trial {
        id: "t1".to_owned(),
        name: Some("first".to_owned()),
        status: RunStatus::Running,
        start_time: Some(1000),
        end_time: None,
        artifact_uri: None,
        version: None,
        params: BTreeMap::from([("lr".to_owned(), "0.1".to_owned())]),
        tags: BTreeMap::from([("trial_id".to_owned(), "t1".to_owned())]),
        points: vec![Metric {
            key: "loss".to_owned(),
            value: MetricValue(0.5),
            timestamp: 1500,
            step: 3,
        }],
    }
}

fn finished_trial() -> Trial {
    Trial {
        status: RunStatus::Finished,
        end_time: Some(2000),
        ..running_trial()
    }
}

/// The run of a trial as it is once everything was pushed.
fn run_of(trial: &Trial) -> Run {
    Run {
        run_id: RUN.to_owned(),
        experiment_id: "7".to_owned(),
        name: trial.name.clone(),
        status: trial.status.clone(),
        start_time: trial.start_time,
        end_time: trial.end_time,
        artifact_uri: None,
        lifecycle_stage: LifecycleStage::Active,
        user_id: None,
        params: trial.params.clone(),
        metrics: trial.points.clone(),
        tags: trial.tags.clone(),
    }
}

/// A trial that was pushed, and what was agreed.
fn pushed(trial: Trial) -> (Trial, Arc<Base>) {
    let base = diff(
        &trial,
        None,
        Some(&run_of(&trial)),
        Direction::Both,
        &Policy::default(),
    )
    .base;
    let trial = Trial {
        points: vec![],
        ..trial
    };
    (trial, base)
}

fn run_json(run: &Run) -> Value {
    let entries = |map: &BTreeMap<String, String>| {
        let entry = |(key, value)| json!({"key": key, "value": value});
        map.iter().map(entry).collect::<Vec<_>>()
    };
    json!({
        "info": {
            "run_id": run.run_id, "experiment_id": run.experiment_id, "run_name": run.name,
            "status": run.status.as_str(), "start_time": run.start_time,
            "end_time": run.end_time, "lifecycle_stage": run.lifecycle_stage.as_str()
        },
        "data": {
            "params": entries(&run.params), "tags": entries(&run.tags), "metrics": run.metrics
        }
    })
}

fn run_reply(run: &Run) -> Reply {
    Reply::json(json!({"run": run_json(run)}))
}

/// What a server answers to the creation of a trial's run.
fn created(trial: &Trial) -> Reply {
    run_reply(&Run {
        status: RunStatus::Running,
        end_time: None,
        params: BTreeMap::new(),
        metrics: vec![],
        ..run_of(trial)
    })
}
