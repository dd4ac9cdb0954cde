//! How many trials are compared with their runs in a second, on one core.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use mlflow_core::diff::{self, Direction};
use mlflow_core::model::{LifecycleStage, Metric, MetricValue, Run, RunStatus, Trial};

const TRIALS: u32 = 100_000;
/// As many different ones as do not fit into the caches.
const DIFFERENT: u32 = 5_000;

fn main() -> Result<(), Box<dyn Error>> {
    let trials: Vec<Trial> = (1..=DIFFERENT).map(trial).collect();
    let runs: Vec<Run> = trials.iter().map(run).collect();
    let bases: Vec<_> = (trials.iter().zip(&runs))
        .map(|(trial, run)| diff::diff(trial, None, Some(run), Direction::Both).base)
        .collect();
    let started = Instant::now();
    for _ in 0..TRIALS / DIFFERENT {
        for ((trial, run), base) in trials.iter().zip(&runs).zip(&bases) {
            let plan = diff::diff(trial, Some(base), Some(run), Direction::Both);
            if !plan.push.is_empty() {
                return Err("trials in step have nothing to push".into());
            }
            black_box(plan);
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let per_second = f64::from(TRIALS) / seconds;
    println!("trials in step {TRIALS} {seconds:.6} {per_second:.0}");
    Ok(())
}

fn trial(index: u32) -> Trial {
    Trial {
        id: format!("trial-{index}"),
        name: Some(format!("trial-{index}")),
        status: RunStatus::Finished,
        start_time: Some(1_700_000_000_000),
        end_time: Some(1_700_000_100_000),
        params: (1..=20)
            .map(|k| (format!("param_{k}"), (k * index).to_string()))
            .collect(),
        tags: [("thunderline_trial_id".to_owned(), format!("trial-{index}"))].into(),
        points: Vec::new(),
    }
}

fn run(trial: &Trial) -> Run {
    Run {
        run_id: "0123456789abcdef0123456789abcdef".to_owned(),
        experiment_id: "1".to_owned(),
        name: trial.name.clone(),
        user_id: None,
        status: trial.status.clone(),
        start_time: trial.start_time,
        end_time: trial.end_time,
        artifact_uri: None,
        lifecycle_stage: LifecycleStage::Active,
        params: trial.params.clone(),
        tags: trial.tags.clone(),
        metrics: (1..=10)
            .map(|k| Metric {
                key: format!("metric_{k}"),
                value: MetricValue(f64::from(k) / 7.0),
                step: 49,
                timestamp: 1_700_000_000_000,
            })
            .collect(),
    }
}
