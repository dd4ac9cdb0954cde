//! Brings what waits in a log to its run.

use std::collections::BTreeSet;

use mlflow_core::api::RunUpdate;
use mlflow_core::client::Client;
use mlflow_core::model::LifecycleStage;
use mlflow_core::{Error, ErrorKind};
use tokio::task::spawn_blocking;

use crate::entry::Entry;
use crate::error::OutboxError;
use crate::files;
use crate::outbox::LogHandle;
use crate::reader::Chunk;
use crate::rejected::Rejected;

const OPERATION: &str = "outbox";
/// What MLflow takes in one request.
const ENTRIES: usize = 1000;
/// After so many chunks others get their turn.
const CHUNKS: usize = 20;

/// An entry and its number in the log.
type Numbered = (u64, Entry);

/// How far a delivery got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Entries that left the log, those that were refused among them.
    pub delivered: u64,
    pub waiting: u64,
}

/// Sends what waits, in order, and acknowledges chunk by chunk: at least one, and then for as long
/// as full ones are waiting, up to a bound. What was sent when its answer was lost is sent again as
/// it was, which MLflow absorbs. An entry that the server refuses for good is put aside with its
/// reason, so that it holds up nothing behind it.
pub async fn deliver(client: &Client, log: &LogHandle, run_id: &str) -> Result<Delivered, Error> {
    // The semaphore is never closed, and without it this would merely be less polite.
    let _turn = log.deliveries().acquire().await;
    let before = log.progress().delivered;
    for _ in 0..CHUNKS {
        let Some(chunk) = next(log).await? else {
            break;
        };
        let rejected = send_chunk(client, run_id, &chunk).await?;
        acknowledge(log, chunk, rejected).await?;
        if waiting(log) < ENTRIES as u64 {
            break;
        }
    }
    Ok(Delivered {
        delivered: log.progress().delivered.saturating_sub(before),
        waiting: waiting(log),
    })
}

fn waiting(log: &LogHandle) -> u64 {
    let progress = log.progress();
    progress.logged - progress.delivered
}

async fn next(log: &LogHandle) -> Result<Option<Chunk>, Error> {
    let log = log.clone();
    blocking(move || log.next(ENTRIES)).await
}

async fn acknowledge(log: &LogHandle, chunk: Chunk, rejected: Vec<Rejected>) -> Result<(), Error> {
    let log = log.clone();
    blocking(move || log.acknowledge(&chunk, &rejected)).await
}

/// Files may be on a slow disk, and the runtime's threads are few.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OutboxError> + Send + 'static,
) -> Result<T, Error> {
    match spawn_blocking(work).await {
        Ok(outcome) => outcome.map_err(|e| Error::new(ErrorKind::Store, OPERATION, e.message)),
        Err(error) => Err(Error::new(ErrorKind::Bug, OPERATION, error.to_string())),
    }
}

/// Answers what was refused for good. A status comes after all that was logged before it.
async fn send_chunk(client: &Client, run_id: &str, chunk: &Chunk) -> Result<Vec<Rejected>, Error> {
    let (entities, status) = match chunk.entries.split_last() {
        Some((last @ (_, Entry::Status { .. }), entities)) => (entities, Some(last)),
        _ => (&chunk.entries[..], None),
    };
    let entities: Vec<_> = entities.iter().collect();
    let mut refused = match log_entities(client, run_id, &entities).await {
        Err(error) if error.kind == ErrorKind::Invalid => {
            check_active(client, run_id).await?;
            isolate(client, run_id, entities, error).await?
        }
        outcome => outcome.map(|()| Vec::new())?,
    };
    if let Some(status) = status
        && let Err(error) = update(client, run_id, &status.1).await
    {
        if error.kind != ErrorKind::Invalid {
            return Err(error);
        }
        check_active(client, run_id).await?;
        refused.push(reject(status, &error));
    }
    Ok(refused)
}

async fn log_entities(client: &Client, run_id: &str, entities: &[&Numbered]) -> Result<(), Error> {
    let (mut params, mut tags, mut metrics) = (Vec::new(), Vec::new(), Vec::new());
    for (_, entity) in entities {
        match entity.clone() {
            Entry::Param(param) => params.push(param),
            Entry::Tag(tag) => tags.push(tag),
            Entry::Metric(metric) => metrics.push(metric),
            Entry::Status { .. } => {}
        }
    }
    client.log_entities(run_id, &params, &tags, &metrics).await
}

async fn update(client: &Client, run_id: &str, entry: &Entry) -> Result<(), Error> {
    let Entry::Status { status, end_time } = entry else {
        return Ok(());
    };
    let update = RunUpdate {
        status: Some(status.clone()),
        end_time: *end_time,
        run_name: None,
    };
    client.update_run(run_id, &update).await
}

/// A deleted run refuses everything, and nothing of it is the entries' fault.
async fn check_active(client: &Client, run_id: &str) -> Result<(), Error> {
    let run = client.get_run(run_id).await?;
    if run.lifecycle_stage != LifecycleStage::Deleted {
        return Ok(());
    }
    let message = format!(
        "run {run_id} was deleted in MLflow: restore it there, or discard what waits for it"
    );
    Err(Error::new(ErrorKind::NotFound, OPERATION, message))
}

/// Sends in parts what was refused as a whole, until what is refused stands alone. What has one key
/// stays in its order: of a tag's values the last one counts, of a param's the first.
async fn isolate(
    client: &Client,
    run_id: &str,
    entities: Vec<&Numbered>,
    error: Error,
) -> Result<Vec<Rejected>, Error> {
    let mut rejected = Vec::new();
    let mut parts = vec![(entities, Some(error))];
    while let Some((part, refusal)) = parts.pop() {
        let refusal = match refusal {
            Some(refusal) => Some(refusal),
            None => refusal_of(client, run_id, &part).await?,
        };
        let Some(refusal) = refusal else {
            continue;
        };
        match halves(&part) {
            Halves::None => rejected.extend(part.into_iter().map(|one| reject(one, &refusal))),
            Halves::OfKeys(one, two) => parts.extend([(two, None), (one, None)]),
            Halves::OfOneKey(one, two) => {
                if is_key_refused(client, run_id, &part).await? {
                    rejected.extend(part.into_iter().map(|one| reject(one, &refusal)));
                } else {
                    parts.extend([(two, None), (one, None)]);
                }
            }
        }
    }
    rejected.sort_by_key(|rejected| rejected.number);
    Ok(rejected)
}

enum Halves<'a> {
    /// It is one entity already.
    None,
    /// A bad key is what is refused most, and in most entities at once.
    OfKeys(Vec<&'a Numbered>, Vec<&'a Numbered>),
    OfOneKey(Vec<&'a Numbered>, Vec<&'a Numbered>),
}

fn halves<'a>(part: &[&'a Numbered]) -> Halves<'a> {
    if part.len() < 2 {
        return Halves::None;
    }
    let keys: BTreeSet<_> = part.iter().map(|(_, entry)| key(entry)).collect();
    match keys.iter().nth(keys.len() / 2) {
        Some(middle) if keys.len() > 1 => {
            let (one, two) = part.iter().partition(|(_, entry)| key(entry) < *middle);
            Halves::OfKeys(one, two)
        }
        _ => {
            let (one, two) = part.split_at(part.len() / 2);
            Halves::OfOneKey(one.to_vec(), two.to_vec())
        }
    }
}

fn key(entry: &Entry) -> (u8, &str) {
    match entry {
        Entry::Param(param) => (0, &param.key),
        Entry::Tag(tag) => (1, &tag.key),
        Entry::Metric(metric) => (2, &metric.key),
        Entry::Status { .. } => (3, ""),
    }
}

/// Whether it is the key of these that the server will not have, whatever comes with it: then it
/// says the very same of the first one and of the last one alone.
async fn is_key_refused(client: &Client, run_id: &str, part: &[&Numbered]) -> Result<bool, Error> {
    let (Some(first), Some(last)) = (part.first(), part.last()) else {
        return Ok(false);
    };
    if has_odd_value(&first.1) || has_odd_value(&last.1) {
        return Ok(false);
    }
    let Some(of_first) = refusal_of(client, run_id, &[first]).await? else {
        return Ok(false);
    };
    let of_last = refusal_of(client, run_id, &[last]).await?;
    Ok(of_last.is_some_and(|of_last| of_last.message == of_first.message))
}

/// A server may refuse NaN and the infinities whatever their key.
fn has_odd_value(entry: &Entry) -> bool {
    matches!(entry, Entry::Metric(metric) if !metric.value.0.is_finite())
}

async fn refusal_of(
    client: &Client,
    run_id: &str,
    part: &[&Numbered],
) -> Result<Option<Error>, Error> {
    match log_entities(client, run_id, part).await {
        Err(error) if error.kind == ErrorKind::Invalid => Ok(Some(error)),
        outcome => outcome.map(|()| None),
    }
}

fn reject((number, entry): &Numbered, error: &Error) -> Rejected {
    Rejected {
        number: *number,
        at: files::now(),
        kind: error.kind.name().to_owned(),
        message: error.to_string(),
        entry: entry.clone(),
    }
}
