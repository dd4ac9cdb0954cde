//! Metrics. Points are only ever added, on either side, so they cannot conflict; but a trial has
//! one value of each metric, and of two sides that both went on only one can say which.

use std::collections::{BTreeMap, HashSet};

use super::base::METRICS;
use super::{Merge, Winner};
use crate::model::Metric;

impl<'a> Merge<'a> {
    pub(super) fn metrics(&mut self) {
        let news = self.news();
        self.metric_values(&news);
        if self.direction.pulls() {
            for theirs in news {
                self.plan.pull.points.push(theirs.clone());
                // Whatever order the server keeps them in: this is its latest.
                self.agree_on(METRICS, &theirs.key, Some(theirs));
            }
        }
        if self.direction.pushes() {
            self.push_points();
        }
    }

    /// The run's latest points that neither the base nor the trial knows of.
    fn news(&self) -> Vec<&'a Metric> {
        let recorded: HashSet<&Metric> = self.trial.points.iter().collect();
        let latest = self.remote.metrics.iter().copied();
        latest
            .filter(|theirs| self.agreed(&theirs.key) != Some(*theirs))
            .filter(|theirs| !recorded.contains(*theirs))
            .collect()
    }

    fn agreed(&self, key: &str) -> Option<&'a Metric> {
        self.base.and_then(|base| base.metrics.get(key))
    }

    fn metric_values(&mut self, news: &[&'a Metric]) {
        let ours = if news.is_empty() {
            BTreeMap::new()
        } else {
            self.latest_of_ours()
        };
        for theirs in news {
            let key = &theirs.key;
            let winner = match ours.get(key.as_str()) {
                // A late point of ours leaves the trial's value as it was.
                Some(ours)
                    if self
                        .agreed(key)
                        .is_none_or(|agreed| rank(agreed) < rank(ours)) =>
                {
                    if ours.value == theirs.value {
                        continue;
                    }
                    let winner = self.winner(self.policy.metrics);
                    let (ours, theirs) = (Some(&ours.value), Some(&theirs.value));
                    self.conflict("metric", Some(key), ours, theirs, winner);
                    winner
                }
                _ => Winner::Remote,
            };
            if winner == Winner::Remote && self.direction.pulls() {
                let values = &mut self.plan.pull.metric_values;
                values.insert(key.clone(), theirs.value);
            }
        }
    }

    /// Of the points that the trial has added, the latest of each key.
    fn latest_of_ours(&self) -> BTreeMap<&'a str, &'a Metric> {
        let mut latest: BTreeMap<&str, &Metric> = BTreeMap::new();
        for point in &self.trial.points {
            let known = latest.entry(&point.key).or_insert(point);
            if rank(known) < rank(point) {
                *known = point;
            }
        }
        latest
    }

    fn push_points(&mut self) {
        if self.trial.points.is_empty() {
            return;
        }
        let latest: HashSet<&Metric> = self.remote.metrics.iter().copied().collect();
        for point in &self.trial.points {
            if self.agreed(&point.key) != Some(point) && !latest.contains(point) {
                self.plan.push.points.push(point.clone());
            }
        }
        for (key, point) in self.latest_of_ours() {
            let known = self.plan.base.metrics.get(key);
            if known.is_none_or(|known| rank(known) < rank(point)) {
                self.agree_on(METRICS, key, Some(point));
            }
        }
    }
}

/// MLflow's latest point of a key is the one with the highest step, then timestamp, then value,
/// where NaN counts as 0; of equal ones it is the first.
fn rank(metric: &Metric) -> (i64, i64, f64) {
    let value = metric.value.0;
    let value = if value.is_nan() { 0.0 } else { value };
    (metric.step, metric.timestamp, value)
}
