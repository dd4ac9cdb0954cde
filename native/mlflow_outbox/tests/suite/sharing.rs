//! One folder and several who want it.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use mlflow_outbox::OutboxError;

use crate::support::{append, drain, open};

const ROOT: &str = "MLFLOW_OUTBOX_TEST_ROOT";

#[test]
fn in_one_process_a_folder_is_one_outbox_while_a_handle_lives() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = open(dir.path());
    let log = outbox.log("own:a", "{}").unwrap();
    append(&log, 0..1).unwrap();
    drop(outbox);
    // As when an instance restarts under a logger that goes on.
    let again = open(dir.path());
    append(&log, 1..2).unwrap();
    assert_eq!(drain(&again.logs()[0]), [0, 1]);
    drop((log, again));
    assert_eq!(open(dir.path()).logs().len(), 1);
    assert!(!dir.path().join("2").exists());
}

#[test]
fn the_lock_is_free_when_the_last_handle_was_dropped_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..200 {
        let outbox = open(dir.path());
        let dropping = thread::spawn(move || drop(outbox));
        drop(open(dir.path()));
        dropping.join().unwrap();
    }
    assert!(!dir.path().join("2").exists());
}

#[test]
fn many_threads_append_to_one_log_and_nothing_is_torn() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(open(dir.path()).log("own:a", "{}").unwrap());
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                for step in 0..2_000 {
                    append(&log, thread * 2_000 + step..thread * 2_000 + step + 1).unwrap();
                }
            })
        })
        .collect();
    let mut found = Vec::new();
    while found.len() < 8_000 {
        found.extend(drain(&log));
    }
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    for thread in 0..4 {
        let own: Vec<_> = found
            .iter()
            .filter(|step| **step / 2_000 == thread)
            .collect();
        assert_eq!(own.len(), 2_000);
        assert!(own.is_sorted());
    }
}

#[test]
fn a_second_process_has_a_lane_of_its_own_and_a_dead_ones_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = open(dir.path());
    append(&outbox.log("own:a", "{}").unwrap(), 0..1).unwrap();
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sharing::the_other_process", "--nocapture"])
        .env(ROOT, dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let ready = dir.path().join("ready");
    while !ready.exists() {
        thread::yield_now();
    }
    outbox.adopt().unwrap();
    assert_eq!(outbox.logs().len(), 1, "it is alive");
    other.kill().unwrap();
    other.wait().unwrap();

    outbox.adopt().unwrap();
    let logs = outbox.logs();
    let keys: Vec<_> = logs.iter().map(|log| log.key()).collect();
    assert_eq!(keys, ["own:a", "own:b"]);
    assert_eq!(drain(&logs[1]), (0..100).collect::<Vec<_>>());
}

/// The other process: this binary once more, started by the test above and killed by it.
#[test]
fn the_other_process() {
    let Ok(root) = std::env::var(ROOT) else {
        return;
    };
    let outbox = open(root.as_ref());
    assert!(outbox.logs().is_empty());
    append(&outbox.log("own:b", "{}").unwrap(), 0..100).unwrap();
    std::fs::write(std::path::Path::new(&root).join("ready"), "").unwrap();
    let _ = std::io::stdin().read_line(&mut String::new());
    std::process::abort();
}

#[test]
fn a_folder_that_cannot_be_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, "").unwrap();
    let error: OutboxError =
        mlflow_outbox::Outbox::open(&path.join("x"), &crate::support::options()).unwrap_err();
    assert!(error.message.contains("file/x"), "{error}");
}
