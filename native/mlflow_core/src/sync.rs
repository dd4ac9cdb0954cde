//! Carries a diff out against the server, and reports how far it got and what was agreed.

use std::time::Duration;

use crate::api::{CreateRun, RunUpdate, SearchRuns};
use crate::batch::{self, Batch, BatchLimits};
use crate::client::{Client, RequestCounts};
use crate::diff::{self, Base, Direction, Plan, Push};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{LifecycleStage, Run, Tag, Trial, ViewType, limits};

const NAME_TAG: &str = "mlflow.runName";

/// One trial to be brought in step with its run.
#[derive(Clone, Debug)]
pub struct Order {
    pub direction: Direction,
    pub trial: Trial,
    pub base: Option<Base>,
    pub target: Target,
}

/// What is known of the trial's run before any request is sent.
#[derive(Clone, Debug)]
pub enum Target {
    /// There is none yet: create it in this experiment.
    New { experiment_id: String },
    /// An earlier attempt may have created it: look for our own tag before creating.
    /// Its request may still be under way for the `settling` time.
    Unknown {
        experiment_id: String,
        tag: Tag,
        settling: Duration,
    },
    /// There is one. With a base it need not be read again to push.
    Existing { run_id: String },
    /// There is one, just read.
    Read(Box<Run>),
}

/// What became of the run's creation, so that the caller can keep or lift its claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// The run was there already.
    NotNeeded,
    Created,
    /// An earlier attempt's run was found by our tag.
    Adopted,
    /// The server certainly created nothing.
    Refused,
    /// The answer was lost: a run may exist, and the next attempt must search first.
    Unknown,
    /// What an earlier attempt did is not known yet, and this one sent nothing that creates.
    Unsettled,
}

/// How far an order got. It is complete when `error` is `None`; otherwise everything up to the
/// error was done, and doing it again is harmless.
#[derive(Clone, Debug)]
pub struct Report {
    pub creation: Creation,
    /// The run as it was created or read; `None` when it was not looked at.
    pub run: Option<Run>,
    pub run_id: Option<String>,
    /// Further runs that carry the same tag, left alone.
    pub duplicates: Vec<String>,
    pub plan: Plan,
    pub requests: RequestCounts,
    pub error: Option<Error>,
}

/// Carries one order out. Failures come back inside the report, beside what was reached.
pub async fn carry_out(client: &Client, order: Order) -> Report {
    let mut work = Work {
        client,
        report: Report {
            creation: Creation::NotNeeded,
            run: None,
            run_id: None,
            duplicates: Vec::new(),
            plan: Plan::default(),
            requests: RequestCounts::default(),
            error: None,
        },
    };
    let outcome = work.run(order).await;
    work.report.error = outcome.err();
    work.report.requests = client.requests();
    work.report
}

struct Work<'a> {
    client: &'a Client,
    report: Report,
}

impl Work<'_> {
    async fn run(&mut self, order: Order) -> Result<()> {
        let Order {
            direction,
            trial,
            base,
            target,
        } = order;
        let base = base.as_ref();
        let mut run = self
            .locate(target, &trial, base.is_some(), direction)
            .await?;
        if run.is_none() && would_replace(&trial, base) {
            run = Some(self.read().await?);
        }
        let unseen = run.is_none();
        match self.exchange(&trial, base, run, direction).await {
            // The run holds what is not known here, such as a param that somebody logged.
            Err(error) if unseen && error.kind == ErrorKind::Invalid || met_another(&error) => {
                let run = Some(self.read().await?);
                self.exchange(&trial, base, run, direction).await
            }
            outcome => outcome,
        }
    }

    async fn exchange(
        &mut self,
        trial: &Trial,
        base: Option<&Base>,
        run: Option<Run>,
        direction: Direction,
    ) -> Result<()> {
        self.report.plan = diff::diff(trial, base, run.as_ref(), direction);
        self.report.run = run;
        self.push().await
    }

    /// Finds or creates the run. `None` means that it exists as the base left it.
    async fn locate(
        &mut self,
        target: Target,
        trial: &Trial,
        has_base: bool,
        direction: Direction,
    ) -> Result<Option<Run>> {
        let run = match target {
            Target::Read(run) => *run,
            Target::Existing { run_id } if has_base && direction == Direction::Push => {
                self.report.run_id = Some(run_id);
                return Ok(None);
            }
            Target::Existing { run_id } => self.client.get_run(&run_id).await?,
            Target::New { experiment_id } => self.create(experiment_id, trial).await?,
            Target::Unknown {
                experiment_id,
                tag,
                settling,
            } => {
                // Until the search has answered, the earlier attempt's outcome stays unknown.
                self.report.creation = Creation::Unsettled;
                match self.find_settled(&experiment_id, &tag, settling).await? {
                    Some(run) => {
                        self.report.creation = Creation::Adopted;
                        run
                    }
                    None => self.create(experiment_id, trial).await?,
                }
            }
        };
        self.report.run_id = Some(run.run_id.clone());
        reject_deleted(&run)?;
        Ok(Some(run))
    }

    async fn read(&self) -> Result<Run> {
        let run_id = self.report.run_id.as_deref().unwrap_or_default();
        let run = self.client.get_run(run_id).await?;
        reject_deleted(&run)?;
        Ok(run)
    }

    /// The tags go out with the creation: a run must never exist without the tag by which it can
    /// be found again.
    async fn create(&mut self, experiment_id: String, trial: &Trial) -> Result<Run> {
        // A value that the server will not take must not leave a run behind that stays half-made.
        self.report.creation = Creation::Refused;
        check(trial)?;
        let request = CreateRun {
            experiment_id,
            run_name: trial.name.clone(),
            start_time: trial.start_time,
            user_id: None,
            tags: creation_tags(trial),
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
                Err(self.explain_refusal(error, &request.experiment_id).await)
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
    async fn find_settled(
        &mut self,
        experiment_id: &str,
        tag: &Tag,
        settling: Duration,
    ) -> Result<Option<Run>> {
        let found = self.find_by_tag(experiment_id, tag).await?;
        if found.is_none() && !settling.is_zero() {
            return Err(unsettled(settling));
        }
        Ok(found)
    }

    async fn find_by_tag(&mut self, experiment_id: &str, tag: &Tag) -> Result<Option<Run>> {
        let mut search = SearchRuns {
            experiment_ids: vec![experiment_id.to_owned()],
            filter: Some(tag_filter(tag)),
            max_results: Some(100),
            order_by: vec!["attributes.start_time ASC".to_owned()],
            view_type: Some(ViewType::ActiveOnly),
            page_token: None,
        };
        // A page may be empty and have a next one all the same.
        loop {
            let page = self.client.search_runs(&search).await?;
            let mut runs = page.items.into_iter();
            if let Some(oldest) = runs.next() {
                self.report.duplicates = runs.map(|run| run.run_id).collect();
                return Ok(Some(oldest));
            }
            if page.next_page_token.is_none() || page.next_page_token == search.page_token {
                return Ok(None);
            }
            search.page_token = page.next_page_token;
        }
    }

    /// Data first, the status last: a run that says FINISHED has everything.
    async fn push(&mut self) -> Result<()> {
        let Some(run_id) = self.report.run_id.clone() else {
            return Ok(());
        };
        let Push {
            params,
            tags,
            deleted_tags,
            points,
            update,
        } = self.report.plan.push.clone();
        let limits = BatchLimits::default();
        for batch in batch::batches(&run_id, params, tags, points, &limits)? {
            self.client.log_batch(&run_id, &batch).await?;
        }
        for key in &deleted_tags {
            self.delete_tag(&run_id, key).await?;
        }
        if update != RunUpdate::default() {
            self.client.update_run(&run_id, &update).await?;
        }
        Ok(())
    }

    /// MLflow refuses to delete a tag that is not there, as after an earlier attempt; it answers
    /// alike when it is the run that is not there.
    async fn delete_tag(&self, run_id: &str, key: &str) -> Result<()> {
        match self.client.delete_tag(run_id, key).await {
            Err(error) if error.kind == ErrorKind::NotFound => {
                self.client.get_run(run_id).await.map(|_| ())
            }
            outcome => outcome,
        }
    }
}

/// Whether a push that does not look would change what both sides have agreed on, and so perhaps
/// what somebody else has changed meanwhile. What is only added overwrites nothing.
fn would_replace(trial: &Trial, base: Option<&Base>) -> bool {
    let push = diff::diff(trial, base, None, Direction::Push).push;
    let is_agreed = |tag: &Tag| base.is_some_and(|base| base.tags.contains_key(&tag.key));
    push.update != RunUpdate::default()
        || !push.deleted_tags.is_empty()
        || push.tags.iter().any(is_agreed)
}

/// Whether MLflow will take what the trial holds.
fn check(trial: &Trial) -> Result<()> {
    let Push {
        params,
        tags,
        points,
        ..
    } = diff::diff(trial, None, None, Direction::Push).push;
    let run_id = "0".repeat(limits::RUN_ID);
    batch::batches(&run_id, params, tags, points, &BatchLimits::default())?
        .iter()
        .try_for_each(Batch::check)
}

/// MLflow keeps a run's name in a tag too, and refuses one that says otherwise.
fn creation_tags(trial: &Trial) -> Vec<Tag> {
    let tag = |(key, value): (&String, &String)| Tag {
        key: key.clone(),
        value: value.clone(),
    };
    let tags = trial.tags.iter();
    tags.filter(|(key, _)| *key != NAME_TAG).map(tag).collect()
}

fn reject_deleted(run: &Run) -> Result<()> {
    if run.lifecycle_stage != LifecycleStage::Deleted {
        return Ok(());
    }
    let message = format!(
        "run {} was deleted in MLflow; restore it there, or unlink the trial to get a new run",
        run.run_id
    );
    Err(Error::new(ErrorKind::NotFound, "sync", message))
}

/// Whether the server's database refused what another request inserted that very moment, such as the
/// same params from another worker. MLflow has this code for it, and another for a bad value.
fn met_another(error: &Error) -> bool {
    error.kind == ErrorKind::Invalid && error.code.as_deref() == Some("BAD_REQUEST")
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

/// MLflow's search grammar quotes keys with backticks and has no escape for a quote in a value, so
/// a value with both kinds of quotes cannot be searched for; our own tags never hold one.
fn tag_filter(tag: &Tag) -> String {
    let quote = if tag.value.contains('\'') { '"' } else { '\'' };
    format!("tags.`{}` = {quote}{}{quote}", tag.key, tag.value)
}
