//! Carries a diff out against the server, and reports how far it got and what was agreed.

mod find;
mod history;
mod locate;
mod preview;
mod push;

use std::sync::Arc;
use std::time::Duration;

use crate::api::RunUpdate;
use crate::client::{Client, RequestCounts};
use crate::diff::{self, Base, Direction, Plan, Policy};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Run, Tag, Trial};

pub use self::preview::{Change, Preview, Way, preview};

/// One trial to be brought in step with its run.
#[derive(Clone, Debug)]
pub struct Order {
    pub direction: Direction,
    pub trial: Trial,
    pub base: Option<Arc<Base>>,
    pub policy: Policy,
    pub history: History,
    /// More points are to come: the run is not said to have ended before they have.
    pub is_partial: bool,
    /// Our own, by which the trial's run is found again.
    pub tag: Tag,
    pub target: Target,
}

impl Order {
    fn plan(&self, run: Option<&Run>, direction: Direction) -> Plan {
        let base = self.base.as_ref();
        let mut plan = diff::diff(&self.trial, base, run, direction, &self.policy);
        if self.is_partial {
            let later = std::mem::take(&mut plan.push.update);
            let agreed = Arc::make_mut(&mut plan.base);
            if later.run_name.is_some() {
                agreed.name = base.and_then(|base| base.name.clone());
            }
            if later.status.is_some() {
                agreed.status = base.and_then(|base| base.status.clone());
            }
            if later.end_time.is_some() {
                agreed.end_time = base.and_then(|base| base.end_time);
            }
        }
        plan
    }
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

/// How much of its metrics' series a pull brings from the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum History {
    /// The latest point of each metric that changed.
    #[default]
    None,
    /// The whole series of each metric that changed.
    Changed,
    /// The whole series of every metric: late points show in no other way.
    All,
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
    /// The run that no longer is the trial's: it has lost our tag, and there is no `run_id`. The
    /// trial is to be given a new run.
    pub superseded: Option<String>,
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
            superseded: None,
            // What was agreed on before stays so until everything is done.
            plan: Plan {
                base: order.base.clone().unwrap_or_default(),
                ..Plan::default()
            },
            requests: RequestCounts::default(),
            error: None,
        },
    };
    if let Err(error) = work.run(&order).await {
        work.report.plan.base = order.base.unwrap_or_default();
        work.report.error = Some(error);
    }
    work.report.requests = client.requests();
    work.report
}

struct Work<'a> {
    client: &'a Client,
    report: Report,
}

impl Work<'_> {
    async fn run(&mut self, order: &Order) -> Result<()> {
        let mut run = self.locate(order).await?;
        if run.is_none() && must_look(order) {
            run = Some(self.read().await?);
        }
        let unseen = run.is_none();
        match self.exchange(order, run).await {
            // The run holds what is not known here, such as a param that somebody logged.
            Err(error) if unseen && error.kind == ErrorKind::Invalid || met_another(&error) => {
                let run = Some(self.read().await?);
                self.exchange(order, run).await
            }
            outcome => outcome,
        }
    }

    async fn exchange(&mut self, order: &Order, run: Option<Run>) -> Result<()> {
        let mut plan = order.plan(run.as_ref(), order.direction);
        self.report.run = run;
        if plan.new_run {
            self.report.plan = plan;
            return self.supersede(&order.tag).await;
        }
        // Before anything is agreed on: what cannot be read in full is not agreed on in part.
        if let Some(run) = &self.report.run {
            history::complete(self.client, order, run, &mut plan).await?;
        }
        self.report.plan = plan;
        self.push().await
    }
}

/// Whether a push that does not look could overwrite what somebody else has changed meanwhile. Points
/// overwrite nothing, and neither do params, which the server refuses; a tag that is new here may
/// not be new there.
fn must_look(order: &Order) -> bool {
    let base = order.base.as_ref();
    let plan = order.plan(None, Direction::Push);
    plan.new_run
        || base.is_some_and(|base| base.is_contested)
        || plan.push.update != RunUpdate::default()
        || !plan.push.deleted_tags.is_empty()
        || !plan.push.tags.is_empty()
}

/// Whether the server's database refused what another request inserted that very moment, such as the
/// same params from another worker. MLflow has this code for it, and another for a bad value.
fn met_another(error: &Error) -> bool {
    error.kind == ErrorKind::Invalid && error.code.as_deref() == Some("BAD_REQUEST")
}
