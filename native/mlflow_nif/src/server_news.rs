//! What a server has to tell since it was asked last: which runs changed, and what was answered.
//! However much happens meanwhile, it grows no further than the runs and routes there are, and of
//! the runs only so far.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mlflow_server::{Change, ChangeKind, Observer, Request};
use tokio::sync::Notify;

/// Beyond so many, whoever listens has to look at everything anyway.
const MOST_RUNS: usize = 100_000;

#[derive(Default)]
pub struct News {
    gathered: Mutex<Gathered>,
    arrived: Notify,
}

#[derive(Default)]
struct Gathered {
    batch: Batch,
    /// Where each run stands in the batch.
    places: HashMap<String, usize>,
    is_closed: bool,
}

#[derive(Default)]
pub struct Batch {
    /// In the order in which they changed first.
    pub runs: Vec<ChangedRun>,
    /// More runs changed than are listed: none is.
    pub overflowed: bool,
    pub routes: HashMap<String, Vec<Tally>>,
}

pub struct ChangedRun {
    pub run_id: String,
    pub experiment_id: i64,
    /// Each once, in the order in which they happened first.
    pub kinds: Vec<ChangeKind>,
}

/// The requests of one route that were answered alike.
pub struct Tally {
    pub method: &'static str,
    pub status: u16,
    pub count: u64,
    pub total: Duration,
    pub longest: Duration,
    /// Bytes.
    pub received: u64,
    pub sent: u64,
}

impl News {
    /// Waits until there is anything to tell; `None` once the server has stopped.
    pub async fn next(&self) -> Option<Batch> {
        loop {
            if let Some(told) = self.take() {
                return told;
            }
            self.arrived.notified().await;
        }
    }

    pub fn close(&self) {
        self.gathered().is_closed = true;
        self.arrived.notify_one();
    }

    fn take(&self) -> Option<Option<Batch>> {
        let mut gathered = self.gathered();
        if !gathered.batch.is_empty() {
            gathered.places.clear();
            return Some(Some(mem::take(&mut gathered.batch)));
        }
        gathered.is_closed.then_some(None)
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for News {
    fn changed(&self, change: Change) {
        self.gathered().note_change(change);
        self.arrived.notify_one();
    }

    fn answered(&self, request: &Request) {
        self.gathered().batch.note_request(request);
        self.arrived.notify_one();
    }
}

impl Gathered {
    fn note_change(&mut self, change: Change) {
        if self.batch.overflowed {
            return;
        }
        if let Some(place) = self.places.get(&change.run_id) {
            let kinds = &mut self.batch.runs[*place].kinds;
            if !kinds.contains(&change.kind) {
                kinds.push(change.kind);
            }
            return;
        }
        if self.batch.runs.len() == MOST_RUNS {
            self.batch.overflowed = true;
            self.batch.runs = Vec::new();
            self.places = HashMap::new();
            return;
        }
        self.places
            .insert(change.run_id.clone(), self.batch.runs.len());
        self.batch.runs.push(ChangedRun {
            run_id: change.run_id,
            experiment_id: change.experiment_id,
            kinds: vec![change.kind],
        });
    }
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.runs.is_empty() && !self.overflowed && self.routes.is_empty()
    }

    fn note_request(&mut self, request: &Request) {
        let method = method(request.method);
        let tallies = match self.routes.get_mut(request.route) {
            Some(tallies) => tallies,
            None => self.routes.entry(request.route.to_owned()).or_default(),
        };
        let alike = |tally: &&mut Tally| tally.method == method && tally.status == request.status;
        match tallies.iter_mut().find(alike) {
            Some(tally) => tally.add(request),
            None => tallies.push(Tally::first(method, request)),
        }
    }
}

impl Tally {
    fn first(method: &'static str, request: &Request) -> Self {
        let mut tally = Self {
            method,
            status: request.status,
            count: 0,
            total: Duration::ZERO,
            longest: Duration::ZERO,
            received: 0,
            sent: 0,
        };
        tally.add(request);
        tally
    }

    fn add(&mut self, request: &Request) {
        self.count += 1;
        self.total += request.duration;
        self.longest = self.longest.max(request.duration);
        self.received += request.received;
        self.sent += request.sent;
    }
}

/// A client may invent methods without end.
fn method(name: &str) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    let known = KNOWN.into_iter().find(|known| *known == name);
    known.unwrap_or("OTHER")
}
