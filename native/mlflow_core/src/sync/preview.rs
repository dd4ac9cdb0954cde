//! What carrying an order out would change, found out by reading alone.

use std::collections::BTreeMap;

use super::locate::{check, needs_no_look, reject_deleted};
use super::push::superseded;
use super::{Order, Target, find, history, must_look};
use crate::client::{Client, RequestCounts};
use crate::diff::{Base, Conflict, Plan};
use crate::error::Result;
use crate::model::{Metric, Run, Tag};

#[derive(Clone, Debug)]
pub struct Preview {
    /// Whether the trial would get a run, or another one.
    pub creates: bool,
    /// The run that is there.
    pub run_id: Option<String>,
    pub changes: Vec<Change>,
    pub conflicts: Vec<Conflict>,
    pub requests: RequestCounts,
}

/// One value that would be written on one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub way: Way,
    pub field: &'static str,
    pub key: Option<String>,
    pub from: Option<String>,
    /// `None` where it would be deleted.
    pub to: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Push,
    Pull,
}

/// Looks where carrying the order out would look, and writes nothing.
pub async fn preview(client: &Client, order: Order) -> Result<Preview> {
    let found = Found::look(client, &order).await?;
    let (base, run) = (order.base.as_ref(), found.run());
    let mut plan = order.plan(run, order.direction);
    if let Some(run) = run
        && !plan.new_run
    {
        history::complete(client, &order, run, &mut plan).await?;
    }
    let creates = plan.new_run || matches!(found, Found::Nothing);
    let changes = Changes {
        order: &order,
        run,
        base: base.map(AsRef::as_ref),
        list: Vec::new(),
    };
    Ok(Preview {
        creates,
        run_id: found.run_id(),
        changes: changes.of(&plan, creates),
        conflicts: plan.conflicts,
        requests: client.requests(),
    })
}

enum Found {
    Nothing,
    /// There is one, and nothing that would be written to it asks for a look.
    AsAgreed(String),
    Seen(Box<Run>),
}

impl Found {
    async fn look(client: &Client, order: &Order) -> Result<Self> {
        let run = match &order.target {
            Target::Read(run) => Some(Run::clone(run)),
            Target::Existing { run_id } if needs_no_look(order) && !must_look(order) => {
                return Ok(Self::AsAgreed(run_id.clone()));
            }
            Target::Existing { run_id } => Some(client.get_run(run_id).await?),
            Target::New { .. } => None,
            Target::Unknown {
                experiment_id, tag, ..
            } => {
                let runs = find::by_tag(client, experiment_id, tag).await?;
                runs.into_iter().next()
            }
        };
        match run {
            Some(run) => reject_deleted(&run).map(|()| Self::Seen(Box::new(run))),
            None => check(&order.trial).map(|()| Self::Nothing),
        }
    }

    fn run(&self) -> Option<&Run> {
        match self {
            Self::Seen(run) => Some(run),
            _ => None,
        }
    }

    fn run_id(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::AsAgreed(run_id) => Some(run_id.clone()),
            Self::Seen(run) => Some(run.run_id.clone()),
        }
    }
}

/// The changes of a plan, beside what both sides have now.
struct Changes<'a> {
    order: &'a Order,
    run: Option<&'a Run>,
    base: Option<&'a Base>,
    list: Vec<Change>,
}

impl<'a> Changes<'a> {
    fn of(mut self, plan: &Plan, creates: bool) -> Vec<Change> {
        if plan.new_run {
            self.superseding();
        } else {
            if creates {
                let start_time = self.order.trial.start_time;
                self.single(Way::Push, "start_time", None, start_time);
            }
            self.push(plan);
            self.pull(plan);
        }
        self.list
    }

    fn superseding(&mut self) {
        let tag = &self.order.tag;
        let left = superseded(tag);
        self.add(Way::Push, "tag", Some(left.key), None, Some(left.value));
        let (key, value) = (tag.key.clone(), tag.value.clone());
        self.add(Way::Push, "tag", Some(key), Some(value), None);
    }

    fn push(&mut self, plan: &Plan) {
        let (run, base, push) = (self.run, self.base, &plan.push);
        let name = run.map_or(base.and_then(|b| b.name.as_ref()), |r| r.name.as_ref());
        let status = run.map_or(base.and_then(|b| b.status.as_ref()), |r| Some(&r.status));
        let end_time = run.map_or(base.and_then(|b| b.end_time), |r| r.end_time);
        self.single(Way::Push, "name", name, push.update.run_name.as_ref());
        self.single(Way::Push, "status", status, push.update.status.as_ref());
        self.single(Way::Push, "end_time", end_time, push.update.end_time);
        for param in &push.params {
            let (key, value) = (param.key.clone(), param.value.clone());
            self.add(Way::Push, "param", Some(key), None, Some(value));
        }
        for Tag { key, value } in &push.tags {
            self.tag(Way::Push, key, Some(value));
        }
        for key in &push.deleted_tags {
            self.tag(Way::Push, key, None);
        }
        self.metrics(Way::Push, &push.points);
    }

    fn pull(&mut self, plan: &Plan) {
        let (trial, pull) = (&self.order.trial, &plan.pull);
        let uri = trial.artifact_uri.as_ref();
        self.single(Way::Pull, "name", trial.name.as_ref(), pull.name.as_ref());
        self.single(
            Way::Pull,
            "status",
            Some(&trial.status),
            pull.status.as_ref(),
        );
        self.single(Way::Pull, "start_time", trial.start_time, pull.start_time);
        self.single(Way::Pull, "end_time", trial.end_time, pull.end_time);
        self.single(Way::Pull, "artifact_uri", uri, pull.artifact_uri.as_ref());
        for (key, value) in &pull.params {
            let (key, value) = (key.clone(), value.clone());
            self.add(Way::Pull, "param", Some(key), None, Some(value));
        }
        for (key, value) in &pull.tags {
            self.tag(Way::Pull, key, Some(value));
        }
        for key in &pull.deleted_tags {
            self.tag(Way::Pull, key, None);
        }
        self.metrics(Way::Pull, &pull.points);
    }

    fn single<T: ToString>(
        &mut self,
        way: Way,
        field: &'static str,
        from: Option<T>,
        to: Option<T>,
    ) {
        if let Some(to) = to {
            let from = from.map(|from| from.to_string());
            self.add(way, field, None, from, Some(to.to_string()));
        }
    }

    fn tag(&mut self, way: Way, key: &str, to: Option<&String>) {
        let there = self.run.map(|run| &run.tags);
        let there = there.or(self.base.map(|base| &base.tags));
        let tags = match way {
            Way::Push => there,
            Way::Pull => Some(&self.order.trial.tags),
        };
        let from = tags.and_then(|tags| tags.get(key)).cloned();
        self.add(way, "tag", Some(key.to_owned()), from, to.cloned());
    }

    fn metrics(&mut self, way: Way, points: &[Metric]) {
        let mut series: BTreeMap<&str, (usize, &Metric)> = BTreeMap::new();
        for point in points {
            let (count, latest) = series.entry(&point.key).or_insert((0, point));
            *count += 1;
            if (latest.step, latest.timestamp) < (point.step, point.timestamp) {
                *latest = point;
            }
        }
        for (key, (count, latest)) in series {
            let (value, step) = (latest.value, latest.step);
            let points = if count == 1 { "point" } else { "points" };
            let to = format!("{count} {points}, latest {value} at step {step}");
            self.add(way, "metric", Some(key.to_owned()), None, Some(to));
        }
    }

    fn add(
        &mut self,
        way: Way,
        field: &'static str,
        key: Option<String>,
        from: Option<String>,
        to: Option<String>,
    ) {
        self.list.push(Change {
            way,
            field,
            key,
            from,
            to,
        });
    }
}
