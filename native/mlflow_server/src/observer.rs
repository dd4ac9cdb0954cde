//! What the server tells whoever runs it: what was asked, and which runs changed.

use std::time::Duration;

/// A request that was answered.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    /// The route, without what stands in its variable parts.
    pub route: &'a str,
    pub status: u16,
    pub duration: Duration,
    /// Bytes.
    pub received: u64,
    pub sent: u64,
    /// MLflow's error code, if it was refused.
    pub error_code: Option<&'a str>,
}

/// A run that changed, told after the change is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub kind: ChangeKind,
    pub run_id: String,
    pub experiment_id: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    Created,
    /// Its status, name or end.
    Updated,
    /// Metrics, params, tags, inputs or outputs.
    Logged,
    Deleted,
    Restored,
}

/// Called on the server's threads for every request, and on the store's for every change: it must
/// not block.
pub trait Observer: Send + Sync {
    fn answered(&self, _request: &Request) {}
    fn changed(&self, _change: Change) {}
}
