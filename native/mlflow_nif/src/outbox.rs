//! The outbox and its logs on the BEAM.

use std::panic::RefUnwindSafe;
use std::path::Path;
use std::time::Duration;

use mlflow_outbox::{Delivered, Info, LogHandle, Options, Outbox, OutboxError, Progress};
use rustler::{ListIterator, NifMap, Resource, ResourceArc};
use serde_json::Value;

use crate::NifResult;
use crate::outbox_entries::{AppendedTerm, PairKind, RejectedTerm, pair, point};
use crate::terms::{Json, StatusTerm};

mod atoms {
    rustler::atoms! { ok }
}

pub struct OpenOutbox {
    outbox: Outbox,
}

pub struct OpenLog {
    handle: LogHandle,
}

#[rustler::resource_impl]
impl Resource for OpenOutbox {}

#[rustler::resource_impl]
impl Resource for OpenLog {}

// A panic leaves neither half-changed: what was not written whole is cut off by the next write.
impl RefUnwindSafe for OpenOutbox {}
impl RefUnwindSafe for OpenLog {}

impl OpenLog {
    pub fn handle(&self) -> &LogHandle {
        &self.handle
    }
}

impl From<LogHandle> for OpenLog {
    fn from(handle: LogHandle) -> Self {
        Self { handle }
    }
}

#[derive(NifMap)]
#[rustler(decode)]
struct OptionsTerm {
    limit: u64,
    flush_interval: u64,
    deliveries: usize,
}

impl From<OptionsTerm> for Options {
    fn from(term: OptionsTerm) -> Self {
        Self {
            limit: term.limit,
            flush_interval: Duration::from_millis(term.flush_interval),
            deliveries: term.deliveries,
        }
    }
}

#[derive(NifMap)]
#[rustler(encode)]
struct LogTerm {
    log: ResourceArc<OpenLog>,
    /// Its folder, and what tells it from every other log.
    id: String,
    key: String,
    identity: Json,
}

impl From<LogHandle> for LogTerm {
    fn from(handle: LogHandle) -> Self {
        Self {
            id: handle.folder().to_string_lossy().into_owned(),
            key: handle.key().to_owned(),
            // Our own text, guarded by a checksum.
            identity: Json(serde_json::from_str(handle.identity()).unwrap_or(Value::Null)),
            log: ResourceArc::new(handle.into()),
        }
    }
}

#[derive(NifMap)]
#[rustler(encode)]
struct InfoTerm {
    waiting: u64,
    bytes: u64,
    oldest: Option<i64>,
    latest: Option<i64>,
    rejected: u64,
    lost: u64,
    ended: bool,
    run_id: Option<String>,
    flush_error: Option<String>,
}

impl From<Info> for InfoTerm {
    fn from(info: Info) -> Self {
        Self {
            waiting: info.waiting,
            bytes: info.bytes,
            oldest: info.oldest,
            latest: info.latest,
            rejected: info.rejected,
            lost: info.lost,
            ended: info.ended,
            run_id: info.run_id,
            flush_error: info.flush_error,
        }
    }
}

#[derive(NifMap)]
#[rustler(encode)]
struct ProgressTerm {
    logged: u64,
    delivered: u64,
    rejected: u64,
    lost: u64,
}

impl From<Progress> for ProgressTerm {
    fn from(progress: Progress) -> Self {
        Self {
            logged: progress.logged,
            delivered: progress.delivered,
            rejected: progress.rejected,
            lost: progress.lost,
        }
    }
}

#[derive(NifMap)]
#[rustler(encode)]
pub struct DeliveredTerm {
    delivered: u64,
    waiting: u64,
}

impl From<Delivered> for DeliveredTerm {
    fn from(delivered: Delivered) -> Self {
        Self {
            delivered: delivered.delivered,
            waiting: delivered.waiting,
        }
    }
}

#[rustler::nif(schedule = "DirtyIo")]
fn outbox_open(path: &str, options: OptionsTerm) -> NifResult<ResourceArc<OpenOutbox>> {
    let outbox = Outbox::open(Path::new(path), &options.into())?;
    Ok(ResourceArc::new(OpenOutbox { outbox }))
}

#[rustler::nif(schedule = "DirtyIo")]
fn outbox_log(outbox: ResourceArc<OpenOutbox>, key: &str, identity: Json) -> NifResult<LogTerm> {
    let handle = outbox.outbox.log(key, &identity.0.to_string())?;
    Ok(handle.into())
}

/// All logs, those of processes that have died meanwhile among them.
#[rustler::nif(schedule = "DirtyIo")]
fn outbox_logs(outbox: ResourceArc<OpenOutbox>) -> NifResult<Vec<LogTerm>> {
    outbox.outbox.adopt()?;
    let logs = outbox.outbox.logs();
    Ok(logs.into_iter().map(LogTerm::from).collect())
}

#[rustler::nif]
fn outbox_unreadable(outbox: ResourceArc<OpenOutbox>) -> Vec<String> {
    outbox.outbox.unreadable()
}

#[rustler::nif(schedule = "DirtyIo")]
fn outbox_flush(outbox: ResourceArc<OpenOutbox>) -> Done {
    Done(outbox.outbox.flush())
}

/// Points that are few enough for a scheduler thread.
#[rustler::nif]
fn log_points(log: ResourceArc<OpenLog>, points: ListIterator) -> AppendedTerm {
    AppendedTerm(log.handle.append(points.map(point)))
}

/// Any number of points, all or none.
#[rustler::nif(schedule = "DirtyIo")]
fn log_many_points(log: ResourceArc<OpenLog>, points: ListIterator) -> AppendedTerm {
    AppendedTerm(log.handle.append(points.map(point)))
}

#[rustler::nif(schedule = "DirtyIo")]
fn log_pairs(log: ResourceArc<OpenLog>, kind: PairKind, pairs: ListIterator) -> AppendedTerm {
    AppendedTerm(log.handle.append(pairs.map(|term| pair(kind, term))))
}

#[rustler::nif(schedule = "DirtyIo")]
fn log_status(
    log: ResourceArc<OpenLog>,
    status: StatusTerm,
    end_time: Option<i64>,
) -> AppendedTerm {
    AppendedTerm(log.handle.append_status(&status.0, end_time))
}

#[rustler::nif]
fn log_progress(log: ResourceArc<OpenLog>) -> ProgressTerm {
    log.handle.progress().into()
}

#[rustler::nif(schedule = "DirtyIo")]
fn log_info(log: ResourceArc<OpenLog>) -> InfoTerm {
    log.handle.info().into()
}

#[rustler::nif(schedule = "DirtyIo")]
fn log_keep_run_id(log: ResourceArc<OpenLog>, run_id: &str) -> Done {
    Done(log.handle.keep_run_id(run_id))
}

#[rustler::nif(schedule = "DirtyIo")]
fn log_rejected(log: ResourceArc<OpenLog>) -> NifResult<Vec<RejectedTerm>> {
    let rejected = log.handle.rejected()?;
    Ok(rejected.into_iter().map(RejectedTerm::from).collect())
}

#[rustler::nif(schedule = "DirtyIo")]
fn log_discard(log: ResourceArc<OpenLog>) -> Done {
    Done(log.handle.discard())
}

/// Whether the log is gone, as it is once nothing in it is of use any more.
#[rustler::nif(schedule = "DirtyIo")]
fn log_remove_if_done(log: ResourceArc<OpenLog>) -> NifResult<bool> {
    Ok(log.handle.remove_if_done()?)
}

/// `:ok` or `{:error, %MLflow.Error{}}`.
struct Done(Result<(), OutboxError>);

impl rustler::Encoder for Done {
    fn encode<'a>(&self, env: rustler::Env<'a>) -> rustler::Term<'a> {
        match &self.0 {
            Ok(()) => atoms::ok().encode(env),
            Err(error) => env.error_tuple(crate::terms::ErrorTerm::from(error.clone())),
        }
    }
}
