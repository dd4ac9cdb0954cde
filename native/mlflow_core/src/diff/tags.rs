//! Tags. Those under `mlflow.` belong to the server, and those that hold params beside a run's own
//! are not the trial's either.

use super::base::TAGS;
use super::change::{Changed, by_key, changed_by};
use super::value::same_tag;
use super::{Merge, Winner};
use crate::model::Tag;

/// Tags under this prefix are the server's and MLflow's own clients'.
const RESERVED: &str = "mlflow.";

impl Merge<'_> {
    pub(super) fn tags(&mut self) {
        let sides = [&self.trial.tags, self.remote.tags, self.known_tags()];
        for (key, [ours, theirs, known]) in by_key(sides) {
            if !key.starts_with(RESERVED) && !self.policy.is_param_tag(key) {
                self.tag(key, ours, theirs, known);
            }
        }
    }

    fn tag(
        &mut self,
        key: &str,
        ours: Option<&String>,
        theirs: Option<&String>,
        known: Option<&String>,
    ) {
        let base = self.base.map(|_| known);
        match changed_by(|one, two| same_tag(one, two), ours, base, theirs) {
            Changed::Neither if known == ours => {}
            Changed::Neither => self.agree_on(TAGS, key, ours),
            Changed::There => self.pull_tag(key, theirs),
            Changed::Here => self.push_tag(key, ours),
            Changed::Both => match self.settle(self.policy.tags, "tag", Some(key), ours, theirs) {
                Winner::Local => self.push_tag(key, ours),
                Winner::Remote => self.pull_tag(key, theirs),
            },
        }
    }

    fn push_tag(&mut self, key: &str, ours: Option<&String>) {
        if !self.direction.pushes() {
            return;
        }
        match ours {
            Some(value) => self.plan.push.tags.push(Tag {
                key: key.to_owned(),
                value: value.clone(),
            }),
            None => self.plan.push.deleted_tags.push(key.to_owned()),
        }
        self.agree_on(TAGS, key, ours);
    }

    fn pull_tag(&mut self, key: &str, theirs: Option<&String>) {
        if !self.direction.pulls() {
            return;
        }
        match theirs {
            Some(value) => {
                let tags = &mut self.plan.pull.tags;
                tags.insert(key.to_owned(), value.clone());
            }
            None => self.plan.pull.deleted_tags.push(key.to_owned()),
        }
        self.agree_on(TAGS, key, theirs);
    }
}
