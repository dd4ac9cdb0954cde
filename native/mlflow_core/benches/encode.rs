//! How fast points become the bodies of log-batch requests.

use std::hint::black_box;
use std::time::Instant;

use mlflow_core::batch::{BatchLimits, Batches};
use mlflow_core::model::{Metric, MetricValue};

const RUN: &str = "0123456789abcdef0123456789abcdef";
const POINTS: i64 = 1_000_000;
const ROUNDS: usize = 5;
const KEYS: [&str; 4] = ["loss", "accuracy", "val_loss", "val_accuracy"];

fn main() {
    let points: Vec<Metric> = (0..POINTS).map(point).collect();
    let mut times = [0.0; ROUNDS];
    let mut bytes = 0;
    for time in &mut times {
        let start = Instant::now();
        bytes = encode(&points);
        *time = start.elapsed().as_secs_f64();
    }
    times.sort_by(f64::total_cmp);
    let median = times[ROUNDS / 2];
    println!(
        "points, {bytes} bytes: {POINTS}, {median:.3} s, {:.0} a second",
        POINTS as f64 / median
    );
}

/// As a training loop logs: several metrics a step, values with all their digits.
fn point(index: i64) -> Metric {
    let step = index / KEYS.len() as i64;
    Metric {
        key: KEYS[(index % KEYS.len() as i64) as usize].to_owned(),
        value: MetricValue(1.0 / (1.0 + index as f64).sqrt()),
        timestamp: 1_700_000_000_000 + step * 10,
        step,
    }
}

fn encode(points: &[Metric]) -> usize {
    let limits = BatchLimits::default();
    let Ok(mut rest) = Batches::new(RUN, &[], &[], points) else {
        return 0;
    };
    let mut bytes = 0;
    while let Ok(Some(batch)) = rest.next_batch(&limits) {
        bytes += black_box(batch).body.len();
    }
    bytes
}
