//! Who wins a field that both sides changed.

use super::{Merge, Winner};

/// Per kind of field: whose change counts. The trial's, unless told otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    pub status: Side,
    pub times: Side,
    pub name: Side,
    pub metrics: Side,
    pub tags: Side,
    pub artifact_uri: Side,
    pub params: ParamPolicy,
    /// What the tags begin with under which [`ParamPolicy::Tag`] keeps a trial's params. Such tags
    /// are ours: they are never taken for a trial's. Empty where there are none.
    pub param_tag_prefix: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    #[default]
    Local,
    Remote,
    /// Whoever was changed last, as far as that can be told; otherwise the trial.
    Newest,
}

/// MLflow never changes a param, so the question is what becomes of the trial's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParamPolicy {
    /// It is not sent.
    #[default]
    KeepRemote,
    /// It is kept beside the run's under a tag.
    Tag,
    /// It goes into a new run.
    NewRun,
}

impl Policy {
    /// The tag under which a param's value is kept beside the one that the run has.
    pub(super) fn param_tag(&self, key: &str) -> String {
        format!("{}{key}", self.param_tag_prefix)
    }

    pub fn is_param_tag(&self, tag: &str) -> bool {
        !self.param_tag_prefix.is_empty() && tag.starts_with(&self.param_tag_prefix)
    }

    pub(super) fn tags_params(&self) -> bool {
        self.params == ParamPolicy::Tag && !self.param_tag_prefix.is_empty()
    }
}

impl Merge<'_> {
    pub(super) fn winner(&self, side: Side) -> Winner {
        let is_theirs = match side {
            Side::Local => false,
            Side::Remote => true,
            Side::Newest => match (self.trial.version, self.newest_moment()) {
                (Some(ours), Some(theirs)) => theirs > ours,
                _ => false,
            },
        };
        match is_theirs {
            true => Winner::Remote,
            false => Winner::Local,
        }
    }

    /// The last that is known to have happened to the run: MLflow keeps no time of change.
    pub(super) fn newest_moment(&self) -> Option<i64> {
        let remote = &self.remote;
        let points = remote.metrics.iter().map(|point| point.timestamp);
        let ends = remote.start_time.max(remote.end_time).copied();
        let before = self.base.and_then(|base| base.contested_at);
        points.max().max(ends).max(before)
    }
}
