//! What both sides agreed on last.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Merge;
use crate::model::{Metric, RunStatus};

const VERSION: u32 = 2;

/// Without start time, artifact URI and what is contested, which then count as not agreed on yet.
const FIRST_VERSION: u32 = 1;

/// What both sides agreed on last, kept beside the run record as compact JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    version: u32,
    pub name: Option<String>,
    pub status: Option<RunStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<i64>,
    pub end_time: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_uri: Option<String>,
    pub params: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    /// The latest agreed point of each key.
    pub metrics: BTreeMap<String, Metric>,
    /// Whether the run won something that was not pulled. A push must then look at the run first,
    /// or it would write over what it does not know of.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_contested: bool,
    /// How new the run was then. A push may take away what told of it, such as a latest point, and
    /// must not become the newer side by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contested_at: Option<i64>,
}

impl Base {
    /// A base that cannot be read, or of an unknown version, is as good as none: the merge is then
    /// made without it, which is safe.
    pub fn from_json(json: &str) -> Option<Self> {
        let base: Self = serde_json::from_str(json).ok()?;
        let is_known = [FIRST_VERSION, VERSION].contains(&base.version);
        is_known.then_some(Self {
            version: VERSION,
            ..base
        })
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What the last one becomes before anything is compared. Whoever looks at the run finds out
    /// anew what is contested.
    pub(super) fn next(last: Option<&Arc<Self>>, looks: bool) -> Arc<Self> {
        match last {
            Some(last) if !(looks && last.is_contested) => Arc::clone(last),
            last => Arc::new(Self {
                version: VERSION,
                is_contested: false,
                contested_at: None,
                ..last.map(|last| Self::clone(last)).unwrap_or_default()
            }),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// One of the base's maps.
pub(super) type Entries<V> = (
    fn(&Base) -> &BTreeMap<String, V>,
    fn(&mut Base) -> &mut BTreeMap<String, V>,
);

pub(super) const PARAMS: Entries<String> = (|base| &base.params, |base| &mut base.params);
pub(super) const TAGS: Entries<String> = (|base| &base.tags, |base| &mut base.tags);
pub(super) const METRICS: Entries<Metric> = (|base| &base.metrics, |base| &mut base.metrics);

/// One of the base's single values.
pub(super) type Single<T> = (fn(&Base) -> &Option<T>, fn(&mut Base) -> &mut Option<T>);

pub(super) const NAME: Single<String> = (|base| &base.name, |base| &mut base.name);
pub(super) const STATUS: Single<RunStatus> = (|base| &base.status, |base| &mut base.status);
pub(super) const START: Single<i64> = (|base| &base.start_time, |base| &mut base.start_time);
pub(super) const END: Single<i64> = (|base| &base.end_time, |base| &mut base.end_time);
pub(super) const ARTIFACTS: Single<String> =
    (|base| &base.artifact_uri, |base| &mut base.artifact_uri);

/// The base is shared until something in it changes: most trials are in step already.
impl Merge<'_> {
    pub(super) fn agree<T: PartialEq + Clone>(
        &mut self,
        (get, get_mut): Single<T>,
        value: Option<&T>,
    ) {
        if get(&self.plan.base).as_ref() != value {
            *get_mut(Arc::make_mut(&mut self.plan.base)) = value.cloned();
        }
    }

    pub(super) fn agree_on<V: PartialEq + Clone>(
        &mut self,
        (get, get_mut): Entries<V>,
        key: &str,
        value: Option<&V>,
    ) {
        if get(&self.plan.base).get(key) == value {
            return;
        }
        let entries = get_mut(Arc::make_mut(&mut self.plan.base));
        match value {
            Some(value) => entries.insert(key.to_owned(), value.clone()),
            None => entries.remove(key),
        };
    }

    pub(super) fn contest(&mut self) {
        let moment = self.newest_moment();
        let base = Arc::make_mut(&mut self.plan.base);
        (base.is_contested, base.contested_at) = (true, moment);
    }
}
