//! Params, which MLflow never changes: a differing one is a conflict before it is a request, and
//! the run keeps its value.

use std::collections::{BTreeMap, BTreeSet};

use super::base::{PARAMS, TAGS};
use super::policy::ParamPolicy;
use super::value::{same_param, same_tag};
use super::{Merge, Winner};
use crate::model::{Param, Tag, limits};

impl Merge<'_> {
    pub(super) fn params(&mut self) {
        let empty = BTreeMap::new();
        let remote = self.remote.params.unwrap_or(&empty);
        let mut differing = BTreeMap::new();
        for (key, value) in &self.trial.params {
            match remote.get(key) {
                Some(theirs) => {
                    self.agree_on(PARAMS, key, Some(theirs));
                    if !same_param(value, theirs) {
                        differing.insert(key.as_str(), value);
                    }
                }
                None if self.direction.pushes() => {
                    self.plan.push.params.push(Param {
                        key: key.clone(),
                        value: value.clone(),
                    });
                    self.agree_on(PARAMS, key, Some(value));
                }
                None => {}
            }
        }
        let asks_for_new_run = self.policy.params == ParamPolicy::NewRun;
        self.plan.new_run = asks_for_new_run && self.direction.pushes() && !differing.is_empty();
        let winner = match self.plan.new_run {
            true => Winner::Local,
            false => Winner::Remote,
        };
        for (key, value) in &differing {
            self.conflict("param", Some(key), Some(*value), remote.get(*key), winner);
        }
        if self.policy.tags_params() && self.direction.pushes() {
            self.param_tags(&differing);
        }
        if self.direction.pulls() {
            self.foreign_params(remote);
        }
    }

    /// A param that is gone from the trial is not forced back on it.
    fn foreign_params(&mut self, remote: &BTreeMap<String, String>) {
        for (key, theirs) in remote {
            let is_known = self.base.is_some_and(|base| base.params.contains_key(key));
            if !is_known && !self.trial.params.contains_key(key) {
                self.plan.pull.params.insert(key.clone(), theirs.clone());
                self.agree_on(PARAMS, key, Some(theirs));
            }
        }
    }

    /// Keeps the trial's values beside those of the run for as long as the two differ.
    fn param_tags(&mut self, differing: &BTreeMap<&str, &String>) {
        let empty = BTreeMap::new();
        let remote = self.remote.tags.unwrap_or(&empty);
        let mut wanted = BTreeSet::new();
        for (key, value) in differing {
            let tag = self.policy.param_tag(key);
            if tag.chars().count() > limits::KEY {
                continue;
            }
            if remote.get(&tag).is_none_or(|kept| !same_tag(kept, value)) {
                self.plan.push.tags.push(Tag {
                    key: tag.clone(),
                    value: (*value).clone(),
                });
            }
            self.agree_on(TAGS, &tag, Some(*value));
            wanted.insert(tag);
        }
        for tag in remote.keys() {
            if self.policy.is_param_tag(tag) && !wanted.contains(tag) {
                self.plan.push.deleted_tags.push(tag.clone());
                self.agree_on(TAGS, tag, None);
            }
        }
    }
}
