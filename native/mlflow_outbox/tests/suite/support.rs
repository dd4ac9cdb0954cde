//! Outboxes in folders of their own, and points that tell which one they are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mlflow_outbox::{Entry, EntryRef, Log, LogHandle, Options, Outbox, OutboxError};

pub fn options() -> Options {
    Options {
        limit: 1 << 30,
        flush_interval: Duration::from_secs(3600),
        deliveries: 4,
    }
}

pub fn open(root: &Path) -> Outbox {
    Outbox::open(root, &options()).unwrap()
}

pub fn only_log(root: &Path) -> LogHandle {
    open(root).log("own:a", "{}").unwrap()
}

/// The folder of the only log there is.
pub fn folder(root: &Path) -> PathBuf {
    let mut logs = std::fs::read_dir(root.join("1"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.is_dir());
    let folder = logs.next().unwrap();
    assert_eq!(logs.next(), None);
    folder
}

/// Its segments, oldest first.
pub fn segments(root: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder(root))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    paths.sort();
    paths
}

/// Points whose step is their number.
pub fn append(log: &Log, steps: std::ops::Range<i64>) -> Result<(), OutboxError> {
    let points = steps.map(|step| {
        Ok::<_, OutboxError>(EntryRef::Metric {
            key: "loss",
            value: 0.5,
            step,
            timestamp: 1,
        })
    });
    log.append(points).map(|_| ())
}

pub fn steps(entries: &[(u64, Entry)]) -> Vec<i64> {
    entries
        .iter()
        .map(|(_, entry)| match entry {
            Entry::Metric(metric) => metric.step,
            other => panic!("no point: {other:?}"),
        })
        .collect()
}

/// Takes all that waits, chunk by chunk.
pub fn drain(log: &Log) -> Vec<i64> {
    let mut all = Vec::new();
    while let Some(chunk) = log.next(1000).unwrap() {
        all.extend(steps(&chunk.entries));
        log.acknowledge(&chunk, &[]).unwrap();
    }
    all
}
