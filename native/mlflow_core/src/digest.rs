//! A run in one number, so that a run that is in step need not be looked at again.

use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

use crate::model::{Metric, Run};

/// Kept with the run records: a digest made otherwise must look different.
const VERSION: u8 = 1;

impl Run {
    /// Equal for equal runs, whatever order a server gives their metrics in, and the same in every
    /// build. Who created the run is no part of it: that never changes.
    pub fn digest(&self) -> i64 {
        let mut metrics: Vec<&Metric> = self.metrics.iter().collect();
        metrics.sort_unstable_by(|one, two| one.key.cmp(&two.key));
        let mut hasher = SipHasher13::new();
        VERSION.hash(&mut hasher);
        self.run_id.hash(&mut hasher);
        self.experiment_id.hash(&mut hasher);
        self.name.hash(&mut hasher);
        self.status.as_str().hash(&mut hasher);
        (self.start_time, self.end_time).hash(&mut hasher);
        self.artifact_uri.hash(&mut hasher);
        self.lifecycle_stage.as_str().hash(&mut hasher);
        self.params.hash(&mut hasher);
        self.tags.hash(&mut hasher);
        metrics.hash(&mut hasher);
        hasher.finish().cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{LifecycleStage, MetricValue, RunStatus};

    fn metric(key: &str, value: f64) -> Metric {
        Metric {
            key: key.to_owned(),
            value: MetricValue(value),
            timestamp: 1,
            step: 2,
        }
    }

    fn run() -> Run {
        Run {
            run_id: "1".to_owned(),
            experiment_id: "0".to_owned(),
            name: Some("run".to_owned()),
            status: RunStatus::Running,
            start_time: Some(1),
            end_time: None,
            artifact_uri: None,
            lifecycle_stage: LifecycleStage::Active,
            user_id: None,
            params: BTreeMap::from([("lr".to_owned(), "0.1".to_owned())]),
            metrics: vec![metric("loss", f64::INFINITY), metric("accuracy", 0.5)],
            tags: BTreeMap::from([("team".to_owned(), "a".to_owned())]),
        }
    }

    #[test]
    fn equal_runs_have_equal_digests() {
        let mut again = run();
        again.metrics = vec![metric("accuracy", 0.5), metric("loss", f64::MAX)];
        again.user_id = Some("ada".to_owned());
        assert_eq!(run().digest(), again.digest());
        assert_eq!(
            run().digest(),
            -8889702097357408948,
            "kept digests must stay readable"
        );
    }

    #[test]
    fn every_change_shows() {
        let changes: [fn(&mut Run); 9] = [
            |run| run.name = None,
            |run| run.status = RunStatus::Finished,
            |run| run.start_time = None,
            |run| run.end_time = Some(1),
            |run| run.artifact_uri = Some(String::new()),
            |run| run.lifecycle_stage = LifecycleStage::Deleted,
            |run| run.params.clear(),
            |run| {
                run.tags
                    .insert("team".to_owned(), "b".to_owned())
                    .map_or((), drop)
            },
            |run| run.metrics[0].timestamp = 3,
        ];
        for change in changes {
            let mut changed = run();
            change(&mut changed);
            assert_ne!(changed.digest(), run().digest(), "{changed:?}");
        }
    }
}
