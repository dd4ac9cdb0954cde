//! Where a trial's run is: known, found by our tag, or created.

use std::time::Duration;

use super::{Creation, Order, Target, Work, find};
use crate::api::CreateRun;
use crate::batch::Batches;
use crate::diff::{self, Direction, Policy, Push};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{LifecycleStage, Run, Tag, Trial, limits};

const NAME_TAG: &str = "mlflow.runName";

impl Work<'_> {
    /// Finds or creates the run. `None` means that it exists as the base left it.
    pub(super) async fn locate(&mut self, order: &Order) -> Result<Option<Run>> {
        let run = match &order.target {
            Target::Read(run) => Run::clone(run),
            Target::Existing { run_id } if needs_no_look(order) => {
                self.report.run_id = Some(run_id.clone());
                return Ok(None);
            }
            Target::Existing { run_id } => self.client.get_run(run_id).await?,
            Target::New { experiment_id } => self.create(experiment_id, order).await?,
            Target::Unknown { experiment_id, .. } => {
                // Until the search has answered, the earlier attempt's outcome stays unknown.
                self.report.creation = Creation::Unsettled;
                match self.find_settled(&order.target).await? {
                    Some(run) => {
                        self.report.creation = Creation::Adopted;
                        run
                    }
                    None => self.create(experiment_id, order).await?,
                }
            }
        };
        self.report.run_id = Some(run.run_id.clone());
        reject_deleted(&run)?;
        Ok(Some(run))
    }

    pub(super) async fn read(&self) -> Result<Run> {
        let run_id = self.report.run_id.as_deref().unwrap_or_default();
        let run = self.client.get_run(run_id).await?;
        reject_deleted(&run)?;
        Ok(run)
    }

    /// The tags go out with the creation: a run must never exist without the tag by which it can
    /// be found again.
    async fn create(&mut self, experiment_id: &str, order: &Order) -> Result<Run> {
        // A value that the server will not take must not leave a run behind that stays half-made.
        self.report.creation = Creation::Refused;
        let trial = &order.trial;
        check(trial)?;
        let request = CreateRun {
            experiment_id: experiment_id.to_owned(),
            run_name: trial.name.clone(),
            start_time: trial.start_time,
            user_id: None,
            tags: creation_tags(trial, &order.policy),
        };
        match self.client.create_run(&request).await {
            Ok(run) => {
                self.report.creation = Creation::Created;
                Ok(run)
            }
            Err(error) => {
                self.report.creation = match leaves_outcome_unknown(error.kind) {
                    true => Creation::Unknown,
                    false => Creation::Refused,
                };
                Err(self.explain_refusal(error, experiment_id).await)
            }
        }
    }

    /// The refusal that can be mended most easily is told with what to do about it.
    async fn explain_refusal(&self, error: Error, experiment_id: &str) -> Error {
        if error.kind != ErrorKind::Invalid {
            return error;
        }
        match self.client.get_experiment(experiment_id).await {
            Ok(experiment) if experiment.lifecycle_stage == LifecycleStage::Deleted => {
                let message = format!(
                    "experiment {:?} (id {experiment_id}) is deleted in MLflow; restore it, or \
                     give the trial another one",
                    experiment.name
                );
                Error { message, ..error }
            }
            _ => error,
        }
    }

    /// That there is no run is believed only once none can come of the earlier attempt any more.
    /// To wait for that is the caller's, who has other things to do meanwhile.
    async fn find_settled(&mut self, target: &Target) -> Result<Option<Run>> {
        let Target::Unknown {
            experiment_id,
            tag,
            settling,
        } = target
        else {
            return Ok(None);
        };
        let found = find::by_tag(self.client, experiment_id, tag).await?;
        if found.is_empty() && !settling.is_zero() {
            return Err(unsettled(*settling));
        }
        let mut runs = found.into_iter();
        let oldest = runs.next();
        self.report.duplicates = runs.map(|run| run.run_id).collect();
        Ok(oldest)
    }
}

/// Whether a push can go by what was agreed on.
pub(super) fn needs_no_look(order: &Order) -> bool {
    order.base.is_some() && order.direction == Direction::Push
}

pub(super) fn reject_deleted(run: &Run) -> Result<()> {
    if run.lifecycle_stage != LifecycleStage::Deleted {
        return Ok(());
    }
    let message = format!(
        "run {} was deleted in MLflow; restore it there, or unlink the trial to get a new run",
        run.run_id
    );
    Err(Error::new(ErrorKind::NotFound, "sync", message))
}

/// Whether MLflow will take what the trial holds.
pub(super) fn check(trial: &Trial) -> Result<()> {
    let Push {
        params,
        tags,
        points,
        ..
    } = diff::diff(trial, None, None, Direction::Push, &Policy::default()).push;
    let run_id = "0".repeat(limits::RUN_ID);
    Batches::new(&run_id, &params, &tags, &points).map(|_| ())
}

/// MLflow keeps a run's name in a tag too, and refuses one that says otherwise.
fn creation_tags(trial: &Trial, policy: &Policy) -> Vec<Tag> {
    let is_ours = |key: &str| key != NAME_TAG && !policy.is_param_tag(key);
    let tags = trial.tags.iter().filter(|(key, _)| is_ours(key));
    tags.map(|(key, value)| Tag {
        key: key.clone(),
        value: value.clone(),
    })
    .collect()
}

fn unsettled(settling: Duration) -> Error {
    let message = format!(
        "an earlier attempt's answer was lost, and its run may still appear: try again in {:.1} s",
        settling.as_secs_f64()
    );
    Error {
        retry_after: Some(settling),
        ..Error::new(ErrorKind::Conflict, "sync", message)
    }
}

fn leaves_outcome_unknown(kind: ErrorKind) -> bool {
    kind.is_transient() && !kind.is_unprocessed()
}
