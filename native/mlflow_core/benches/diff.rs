//! How fast trials are compared with their runs.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use mlflow_core::diff::{Base, Direction, Policy, diff};
use mlflow_core::model::{LifecycleStage, Metric, MetricValue, Run, RunStatus, Trial};

const TRIALS: usize = 100_000;
/// Compared over and over, so that they are many in number and not in memory.
const DIFFERENT: usize = 2_000;
const PARAMS: usize = 20;
const METRICS: usize = 10;
const TAGS: usize = 5;
const ROUNDS: usize = 3;
/// One in so many has changed since.
const CHANGED: usize = 10;

fn main() {
    let sides: Vec<_> = (0..DIFFERENT).map(side).collect();
    let policy = Policy::default();
    let mut times = [0.0; ROUNDS];
    let mut changed = 0;
    for time in &mut times {
        let start = Instant::now();
        changed = 0;
        for (trial, base, run) in sides.iter().cycle().take(TRIALS) {
            let plan = diff(trial, Some(base), Some(run), Direction::Both, &policy);
            changed += usize::from(!plan.push.is_empty());
            black_box(plan);
        }
        *time = start.elapsed().as_secs_f64();
    }
    times.sort_by(f64::total_cmp);
    let median = times[ROUNDS / 2];
    println!(
        "trials, {changed} of them changed: {TRIALS}, {median:.3} s, {:.0} a second",
        TRIALS as f64 / median
    );
}

fn side(index: usize) -> (Trial, Arc<Base>, Run) {
    let mut trial = trial(index);
    let run = run_of(&trial);
    let policy = Policy::default();
    let base = diff(&trial, None, Some(&run), Direction::Both, &policy).base;
    trial.points.clear();
    if index.is_multiple_of(CHANGED) {
        trial.status = RunStatus::Finished;
        trial.end_time = Some(1_700_000_100_000);
        trial.tags.insert("team".to_owned(), "b".to_owned());
        trial.points = (0..METRICS).map(|key| point(key, 10)).collect();
    }
    (trial, base, run)
}

fn trial(index: usize) -> Trial {
    let entries = |count: usize, name: &str| -> BTreeMap<String, String> {
        let entry = |key| (format!("{name}_{key}"), format!("{}", index * key));
        (0..count).map(entry).collect()
    };
    Trial {
        id: format!("trial-{index}"),
        name: Some(format!("trial_{index}")),
        status: RunStatus::Running,
        start_time: Some(1_700_000_000_000),
        end_time: None,
        artifact_uri: None,
        version: Some(1_700_000_000_000),
        params: entries(PARAMS, "hyperparameter"),
        tags: entries(TAGS, "thunderline_tag"),
        points: (0..METRICS).map(|key| point(key, 9)).collect(),
    }
}

fn point(key: usize, step: i64) -> Metric {
    Metric {
        key: format!("val_metric_{key}"),
        value: MetricValue(0.123_456_789 * step as f64),
        timestamp: 1_700_000_000_000 + step,
        step,
    }
}

fn run_of(trial: &Trial) -> Run {
    let reserved = ("mlflow.runName".to_owned(), trial.id.clone());
    Run {
        run_id: "0123456789abcdef0123456789abcdef".to_owned(),
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
        tags: trial.tags.clone().into_iter().chain([reserved]).collect(),
    }
}
