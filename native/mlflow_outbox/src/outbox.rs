//! All logs of one folder, and the thread that flushes them.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::budget::Budget;
use crate::error::{At, ErrorKind, OutboxError, Result};
use crate::header::Header;
use crate::lane::Lane;
use crate::log::Log;

#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes that may wait in all logs together.
    pub limit: u64,
    pub flush_interval: Duration,
    /// Logs that are delivered at the same time.
    pub deliveries: usize,
}

/// An open folder of logs. Cheap to clone; it stays open, and locked, for as long as there is a
/// clone or a handle of one of its logs.
#[derive(Clone, Debug)]
pub struct Outbox {
    shared: Arc<Shared>,
}

/// A log that keeps its outbox open.
#[derive(Clone, Debug)]
pub struct LogHandle {
    log: Arc<Log>,
    shared: Arc<Shared>,
}

impl Deref for LogHandle {
    type Target = Log;

    fn deref(&self) -> &Log {
        &self.log
    }
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    budget: Arc<Budget>,
    deliveries: Semaphore,
    contents: Mutex<Contents>,
    flusher: OnceLock<Thread>,
}

#[derive(Debug, Default)]
struct Contents {
    /// The first one is our own, where new logs go.
    lanes: Vec<Lane>,
    /// By folder, and so in the order of their creation.
    logs: BTreeMap<PathBuf, Arc<Log>>,
    /// Folders that are no logs any more, and why.
    unreadable: BTreeMap<PathBuf, String>,
}

impl Outbox {
    /// Opens a folder, creating it where needed, with all the logs in it that no living process
    /// holds. One that this process has open already is the same one.
    pub fn open(root: &Path, options: &Options) -> Result<Self> {
        fs::create_dir_all(root).at(root)?;
        let root = fs::canonicalize(root).at(root)?;
        let mut open = OPEN.lock();
        loop {
            match open.get(&root).map(Weak::upgrade) {
                Some(Some(shared)) => {
                    shared.budget.set_limit(options.limit);
                    return Ok(Self { shared });
                }
                // Its last handle is being dropped on another thread, which gives up the lock.
                Some(None) => open = OPEN.wait(open),
                None => break,
            }
        }
        let shared = Arc::new(Shared::open(root.clone(), options)?);
        open.insert(root, Arc::downgrade(&shared));
        drop(open);
        flush_regularly(&shared, options.flush_interval)?;
        Ok(Self { shared })
    }

    /// The log of this key: the one there is, or a new one of this identity.
    pub fn log(&self, key: &str, identity: &str) -> Result<LogHandle> {
        let mut contents = self.shared.contents();
        if let Some(log) = contents.logs.values().find(|log| log.key() == key) {
            return Ok(self.handle(log));
        }
        let header = Header {
            key: key.to_owned(),
            identity: identity.to_owned(),
        };
        let folder = contents.new_folder(key)?;
        let log = Log::create(folder.clone(), header, Arc::clone(&self.shared.budget))?;
        let log = Arc::new(log);
        contents.logs.insert(folder, Arc::clone(&log));
        Ok(self.handle(&log))
    }

    pub fn logs(&self) -> Vec<LogHandle> {
        let contents = self.shared.contents();
        let logs = contents.logs.values();
        logs.map(|log| self.handle(log)).collect()
    }

    /// Takes over the logs of processes that have died since.
    pub fn adopt(&self) -> Result<()> {
        let mut contents = self.shared.contents();
        for lane in Lane::abandoned(&self.shared.root, &contents.lanes)? {
            contents.take(lane, &self.shared.budget)?;
        }
        Ok(())
    }

    /// Folders whose logs cannot be told any more, and why.
    pub fn unreadable(&self) -> Vec<String> {
        let contents = self.shared.contents();
        contents.unreadable.values().cloned().collect()
    }

    /// Bytes that wait in all logs together.
    pub fn bytes(&self) -> u64 {
        self.shared.budget.used()
    }

    pub fn flush(&self) -> Result<()> {
        self.shared.flush()
    }

    fn handle(&self, log: &Arc<Log>) -> LogHandle {
        LogHandle {
            log: Arc::clone(log),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl LogHandle {
    /// Removes the log if nothing in it waits or was refused; tells whether it is gone.
    pub fn remove_if_done(&self) -> Result<bool> {
        // Under this lock nobody is handed a log that is about to go.
        let mut contents = self.shared.contents();
        let gone = self.log.remove_if_done()?;
        if gone {
            contents.logs.retain(|_, log| !Arc::ptr_eq(log, &self.log));
        }
        Ok(gone)
    }

    pub(crate) fn deliveries(&self) -> &Semaphore {
        &self.shared.deliveries
    }
}

impl Shared {
    fn open(root: PathBuf, options: &Options) -> Result<Self> {
        let budget = Arc::new(Budget::new(options.limit));
        let mut contents = Contents::default();
        contents.take(Lane::first_free(&root)?, &budget)?;
        for lane in Lane::abandoned(&root, &contents.lanes)? {
            contents.take(lane, &budget)?;
        }
        Ok(Self {
            root,
            budget,
            deliveries: Semaphore::new(options.deliveries),
            contents: Mutex::new(contents),
            flusher: OnceLock::new(),
        })
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flush(&self) -> Result<()> {
        let logs: Vec<_> = self.contents().logs.values().cloned().collect();
        // One that cannot be flushed keeps no other from it.
        let flushed: Vec<_> = logs.iter().map(|log| log.flush()).collect();
        flushed.into_iter().collect()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let contents = self.contents.get_mut();
        // Files and locks are given up before anybody may open the folder again.
        *contents.unwrap_or_else(PoisonError::into_inner) = Contents::default();
        OPEN.remove(&self.root);
        if let Some(flusher) = self.flusher.get() {
            flusher.unpark();
        }
    }
}

impl Contents {
    fn take(&mut self, lane: Lane, budget: &Arc<Budget>) -> Result<()> {
        for file in fs::read_dir(&lane.folder).at(&lane.folder)? {
            let folder = file.at(&lane.folder)?.path();
            let extension = folder.extension().and_then(|extension| extension.to_str());
            match extension {
                // Never became a log, or is none any more.
                Some("new" | "gone") => {
                    let _ = fs::remove_dir_all(&folder);
                }
                _ if folder.is_dir() => self.open(folder, budget),
                _ => {}
            }
        }
        self.lanes.push(lane);
        Ok(())
    }

    /// One log that cannot be read must not keep the others from being delivered.
    fn open(&mut self, folder: PathBuf, budget: &Arc<Budget>) {
        match Log::open(folder.clone(), Arc::clone(budget)) {
            Ok(log) => {
                self.logs.insert(folder, Arc::new(log));
            }
            Err(error) => {
                self.unreadable.insert(folder, error.message);
            }
        }
    }

    /// Named by a number, so that any key will do, and by the key, for whoever looks.
    fn new_folder(&self, key: &str) -> Result<PathBuf> {
        let own = self.lanes.first().ok_or_else(|| {
            OutboxError::new(ErrorKind::Io, "the outbox has no folder of its own")
        })?;
        let numbers = fs::read_dir(&own.folder)
            .at(&own.folder)?
            .filter_map(|file| {
                let name = file.ok()?.file_name();
                name.to_str()?.split('-').next()?.parse::<u64>().ok()
            });
        let number = numbers.max().map_or(1, |largest| largest + 1);
        let readable: String = key
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .take(60)
            .collect();
        Ok(own.folder.join(format!("{number:08}-{readable}")))
    }
}

fn flush_regularly(shared: &Arc<Shared>, interval: Duration) -> Result<()> {
    let outbox = Arc::downgrade(shared);
    let flusher = thread::Builder::new()
        .name("mlflow_outbox".into())
        .spawn(move || {
            loop {
                thread::park_timeout(interval);
                let Some(outbox) = outbox.upgrade() else {
                    return;
                };
                // A log remembers its own error, and is flushed again the next time.
                let _ = outbox.flush();
            }
        })
        .map_err(|error| {
            let message = format!("no thread for the outbox ({error}): free some and try again");
            OutboxError::new(ErrorKind::Io, message)
        })?;
    let _ = shared.flusher.set(flusher.thread().clone());
    Ok(())
}

/// The outboxes that this process has open, since a folder's lock tells processes apart and not
/// the parts of one.
struct Open {
    outboxes: OnceLock<Mutex<HashMap<PathBuf, Weak<Shared>>>>,
    closed: Condvar,
}

type OpenOutboxes = MutexGuard<'static, HashMap<PathBuf, Weak<Shared>>>;

static OPEN: Open = Open {
    outboxes: OnceLock::new(),
    closed: Condvar::new(),
};

impl Open {
    fn lock(&'static self) -> OpenOutboxes {
        let outboxes = self.outboxes.get_or_init(Mutex::default);
        outboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&'static self, open: OpenOutboxes) -> OpenOutboxes {
        self.closed
            .wait(open)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&'static self, root: &Path) {
        self.lock().remove(root);
        self.closed.notify_all();
    }
}
