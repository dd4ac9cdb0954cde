//! What every handler has at hand: the store, and where the time and the artifacts are.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mlflow_store::tracking::{Code, Refusal};
use mlflow_store::{Connection, Readers, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::config::Config;
use crate::metrics::Metrics;
use crate::observer::{Change, ChangeKind, Observer, Request};

/// More readers at once would only wait for the processors.
pub const READERS: usize = 8;

#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    config: Config,
    store: Store,
    readers: Readers,
    /// So many may read at once.
    reading: Arc<Semaphore>,
    /// Bytes that may be held of bodies.
    bodies: Arc<Semaphore>,
    observer: Arc<dyn Observer>,
    metrics: Metrics,
}

impl App {
    pub fn new(
        config: Config,
        store: Store,
        readers: Readers,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let bodies = config.most_in_bodies.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Inner {
            config,
            store,
            readers,
            reading: Arc::new(Semaphore::new(READERS)),
            bodies: Arc::new(Semaphore::new(bodies)),
            observer,
            metrics: Metrics::default(),
        }))
    }

    pub fn config(&self) -> &Config {
        &self.0.config
    }

    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Room for so much of a body, if there is any left.
    pub fn room_for(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).ok()?;
        self.0.bodies.clone().try_acquire_many_owned(bytes).ok()
    }

    /// Counts a request, and tells the observer of it.
    pub fn answered(&self, request: &Request) {
        self.0.metrics.answered(request);
        self.0.observer.answered(request);
    }

    /// Writes with others in one transaction, and answers after the commit.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.submit(work, |done| done).await
    }

    /// [`write`](Self::write), and tells the observer which run changed.
    pub async fn change<T: Send + 'static>(
        &self,
        kind: ChangeKind,
        run_id: &str,
        work: impl FnOnce(&Connection) -> Result<(T, i64), Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let observer = self.0.observer.clone();
        let run_id = run_id.to_owned();
        self.submit(work, move |(done, experiment_id)| {
            observer.changed(Change {
                kind,
                run_id,
                experiment_id,
            });
            done
        })
        .await
    }

    /// Whoever asked may hang up: what was written stays written, and `committed` is called.
    async fn submit<W: Send + 'static, T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<W, Refusal> + Send + 'static,
        committed: impl FnOnce(W) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let (reply, outcome) = oneshot::channel();
        self.0.store.write(work, |outcome| {
            let _ = reply.send(outcome.map(committed));
        })?;
        outcome.await.unwrap_or_else(|_| Err(unanswered()))
    }

    /// Reads on a thread that may wait for the disk, from one snapshot, and gives up when whoever
    /// asked does.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        // What waits here is forgotten when it gives up; what waits for a thread would not be.
        let room = self.0.reading.clone().acquire_owned().await;
        let room = room.map_err(|_| unanswered())?;
        let awaited = Arc::new(());
        let waiting = Arc::downgrade(&awaited);
        let app = self.clone();
        tokio::task::spawn_blocking(move || {
            let _room = room;
            let is_awaited = move || waiting.strong_count() > 0;
            app.0.readers.read(is_awaited, work)
        })
        .await
        .unwrap_or_else(|_| Err(unanswered()))
    }
}

/// Milliseconds since the epoch. A clock before 1970 is as wrong as one that says 1970.
pub fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis() as i64
}

fn unanswered() -> Refusal {
    let message = "the request ended without an answer; please report this as a bug";
    Refusal::new(Code::InternalError, message)
}
