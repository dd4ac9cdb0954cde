//! Params, which MLflow never changes: a differing one is a conflict before it is a request, and
//! the run keeps its value.

use std::collections::{BTreeMap, BTreeSet};

use super::base::{PARAMS, TAGS};
use super::change::by_key;
use super::policy::ParamPolicy;
use super::value::{same_param, same_tag};
use super::{Merge, Winner};
use crate::model::{Param, Tag, limits};

impl<'a> Merge<'a> {
    pub(super) fn params(&mut self) {
        let sides = [&self.trial.params, self.remote.params, self.known_params()];
        let mut differing = BTreeMap::new();
        for (key, [ours, theirs, known]) in by_key(sides) {
            match (ours, theirs) {
                (Some(ours), Some(theirs)) => {
                    if known != Some(theirs) {
                        self.agree_on(PARAMS, key, Some(theirs));
                    }
                    if !same_param(ours, theirs) {
                        differing.insert(key, (ours, theirs));
                    }
                }
                (Some(ours), None) => self.push_param(key, ours),
                // One that is gone from the trial is not forced back on it.
                (None, Some(theirs)) if known.is_none() => self.pull_param(key, theirs),
                _ => {}
            }
        }
        self.settle_params(&differing);
    }

    fn push_param(&mut self, key: &str, ours: &String) {
        if self.direction.pushes() {
            self.plan.push.params.push(Param {
                key: key.to_owned(),
                value: ours.clone(),
            });
            self.agree_on(PARAMS, key, Some(ours));
        }
    }

    fn pull_param(&mut self, key: &str, theirs: &String) {
        if self.direction.pulls() {
            let params = &mut self.plan.pull.params;
            params.insert(key.to_owned(), theirs.clone());
            self.agree_on(PARAMS, key, Some(theirs));
        }
    }

    fn settle_params(&mut self, differing: &BTreeMap<&str, (&'a String, &'a String)>) {
        let (pushes, policy) = (self.direction.pushes(), self.policy);
        let wants_new_run = policy.params == ParamPolicy::NewRun;
        self.plan.new_run = wants_new_run && pushes && !differing.is_empty();
        let winner = match self.plan.new_run {
            true => Winner::Local,
            false => Winner::Remote,
        };
        for (key, (ours, theirs)) in differing {
            self.conflict("param", Some(key), Some(*ours), Some(*theirs), winner);
        }
        if policy.tags_params() && pushes {
            self.tag_params(differing);
        }
    }

    /// Keeps the trial's values beside those of the run for as long as the two differ.
    fn tag_params(&mut self, differing: &BTreeMap<&str, (&'a String, &'a String)>) {
        let mut wanted = BTreeSet::new();
        for (key, (ours, _)) in differing {
            let tag = self.policy.param_tag(key);
            if tag.chars().count() > limits::KEY {
                continue;
            }
            let kept = self.remote.tags.get(&tag);
            if kept.is_none_or(|kept| !same_tag(kept, ours)) {
                self.plan.push.tags.push(Tag {
                    key: tag.clone(),
                    value: (*ours).clone(),
                });
            }
            self.agree_on(TAGS, &tag, Some(*ours));
            wanted.insert(tag);
        }
        for tag in self.remote.tags.keys() {
            if self.policy.is_param_tag(tag) && !wanted.contains(tag) {
                self.plan.push.deleted_tags.push(tag.clone());
                self.agree_on(TAGS, tag, None);
            }
        }
    }
}
