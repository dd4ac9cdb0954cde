//! What every handler has at hand: the store, and where the time and the artifacts are.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mlflow_store::tracking::{Code, Refusal};
use mlflow_store::{Connection, Readers, Store};
use tokio::sync::oneshot;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::observer::{Change, ChangeKind, Observer, Request};

#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    config: Config,
    store: Store,
    readers: Readers,
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
        Self(Arc::new(Inner {
            config,
            store,
            readers,
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
        let (reply, outcome) = oneshot::channel();
        self.0.store.write(work, |outcome| {
            // Whoever asked may have hung up; what was written stays written.
            let _ = reply.send(outcome);
        })?;
        outcome.await.unwrap_or_else(|_| Err(unanswered()))
    }

    /// [`write`](Self::write), and tells the observer which run changed.
    pub async fn change<T: Send + 'static>(
        &self,
        kind: ChangeKind,
        run_id: &str,
        work: impl FnOnce(&Connection) -> Result<(T, i64), Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (done, experiment_id) = self.write(work).await?;
        self.0.observer.changed(Change {
            kind,
            run_id: run_id.to_owned(),
            experiment_id,
        });
        Ok(done)
    }

    /// Reads on a thread that may wait for the disk, from one snapshot.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let app = self.clone();
        tokio::task::spawn_blocking(move || app.0.readers.read(work))
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
