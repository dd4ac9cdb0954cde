//! How many points a second become the bodies of `runs/log-batch`, on one core.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use mlflow_core::batch::{BatchLimits, batches};
use mlflow_core::model::{Metric, MetricValue};

const POINTS: i64 = 1_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let points: Vec<Metric> = (0..POINTS).map(point).collect();
    let run_id = "0123456789abcdef0123456789abcdef";
    let started = Instant::now();
    for batch in batches(run_id, vec![], vec![], points, &BatchLimits::default())? {
        black_box(serde_json::to_vec(&batch)?);
    }
    let seconds = started.elapsed().as_secs_f64();
    let per_second = POINTS as f64 / seconds;
    println!("points encoded {POINTS} {seconds:.6} {per_second:.0}");
    Ok(())
}

fn point(n: i64) -> Metric {
    Metric {
        key: format!("metric_{}", n % 10 + 1),
        value: MetricValue(n as f64 / 7.0),
        step: n / 10,
        timestamp: 1_700_000_000_000 + n,
    }
}
