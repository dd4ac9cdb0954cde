//! The series behind a run's latest points.

use std::collections::HashSet;

use super::{History, Order};
use crate::client::Client;
use crate::diff::Plan;
use crate::error::Result;
use crate::model::{Metric, Run};

/// Completes what is pulled by the points that the order asks for and that the trial does not
/// bring itself.
pub(super) async fn complete(
    client: &Client,
    order: &Order,
    run: &Run,
    plan: &mut Plan,
) -> Result<()> {
    let keys = keys(order, run, plan);
    if keys.is_empty() {
        return Ok(());
    }
    let mut points = client.get_metric_histories(&run.run_id, keys).await?;
    // The run's latest points were read before: a history should hold them, and need not.
    points.append(&mut plan.pull.points);
    let recorded: HashSet<&Metric> = order.trial.points.iter().collect();
    points.retain(|point| !recorded.contains(point));
    plan.pull.points = Metric::distinct(points);
    Ok(())
}

/// The metrics of which the whole series is wanted.
pub(super) fn keys(order: &Order, run: &Run, plan: &Plan) -> Vec<String> {
    let keys = |points: &[Metric]| points.iter().map(|point| point.key.clone()).collect();
    match order.history {
        _ if !order.direction.pulls() => Vec::new(),
        History::None => Vec::new(),
        History::Changed => keys(&plan.pull.points),
        History::All => keys(&run.metrics),
    }
}
