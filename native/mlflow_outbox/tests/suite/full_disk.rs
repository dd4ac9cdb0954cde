//! A disk that is full in the middle of a write. The limit of a process on the size of its files
//! does the same: a write comes back short, and the next one fails.

use std::process::Command;

use mlflow_outbox::ErrorKind;

use crate::support::{append, drain, only_log, segments};

const ROOT: &str = "MLFLOW_OUTBOX_TEST_FULL";

#[test]
fn a_write_that_does_not_fit_leaves_nothing_of_itself() {
    let dir = tempfile::tempdir().unwrap();
    let test = "full_disk::writes_until_it_is_full";
    let binary = std::env::current_exe().unwrap();
    // 16 blocks of 512 bytes or 1 KiB each, as the shell counts. A signal ignored by the shell is
    // ignored by what it becomes, and the write fails instead.
    let script = format!(
        "trap '' XFSZ; ulimit -f 16; exec '{}' --exact {test}",
        binary.display()
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .env(ROOT, dir.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );

    let log = only_log(dir.path());
    let kept = log.info().waiting as i64;
    assert!(kept > 50, "{kept}");
    append(&log, kept..kept + 1000).unwrap();
    assert_eq!(drain(&log), (0..kept + 1000).collect::<Vec<_>>());
}

/// In a process of its own, started by the test above.
#[test]
fn writes_until_it_is_full() {
    let Ok(root) = std::env::var(ROOT) else {
        return;
    };
    let root = root.as_ref();
    let log = only_log(root);
    let mut next = 0;
    let error = loop {
        match append(&log, next..next + 7) {
            Ok(()) => next += 7,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, ErrorKind::Full, "{error}");
    assert!(error.message.contains("free some"), "{error}");
    // Nothing half-written is left, so that what fits still does.
    let before = segments(root)[0].metadata().unwrap().len();
    assert_eq!(append(&log, 0..500).unwrap_err().kind, ErrorKind::Full);
    assert_eq!(segments(root)[0].metadata().unwrap().len(), before);
    assert_eq!(log.info().waiting, next as u64);
    assert_eq!(log.info().bytes, before);
}
