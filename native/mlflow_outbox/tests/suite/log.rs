//! A log in good order.

use mlflow_core::model::{Param, RunStatus, Tag};
use mlflow_outbox::{Entry, EntryRef, ErrorKind, Options, Outbox, OutboxError, Rejected};

use crate::support::{append, drain, folder, only_log, open, options, segments, steps};

#[test]
fn entries_come_back_as_they_were_and_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let log = only_log(dir.path());
    let entries = [
        EntryRef::Param {
            key: "lr",
            value: "0.1",
        },
        EntryRef::Tag {
            key: "ü",
            value: "",
        },
        EntryRef::Metric {
            key: "m",
            value: f64::NEG_INFINITY,
            step: -3,
            timestamp: i64::MIN,
        },
    ];
    log.append(entries.map(Ok::<_, OutboxError>)).unwrap();
    log.append_status(&RunStatus::Finished, Some(7)).unwrap();
    append(&log, 0..1).unwrap();

    let chunk = log.next(10).unwrap().unwrap();
    let found: Vec<_> = chunk
        .entries
        .iter()
        .map(|(_, entry)| entry.clone())
        .collect();
    assert_eq!(
        found[0],
        Entry::Param(Param {
            key: "lr".into(),
            value: "0.1".into()
        })
    );
    assert_eq!(
        found[1],
        Entry::Tag(Tag {
            key: "ü".into(),
            value: String::new()
        })
    );
    let Entry::Metric(metric) = &found[2] else {
        panic!()
    };
    assert_eq!(
        (metric.value.0, metric.step, metric.timestamp),
        (f64::NEG_INFINITY, -3, i64::MIN)
    );
    let end = Entry::Status {
        status: RunStatus::Finished,
        end_time: Some(7),
    };
    assert_eq!(found[3..], [end], "a status ends its chunk");
    log.acknowledge(&chunk, &[]).unwrap();
    assert_eq!(drain(&log), [0]);
    assert_eq!(log.next(10).unwrap(), None);
}

#[test]
fn what_is_acknowledged_is_not_given_out_again_and_the_rest_is() {
    let dir = tempfile::tempdir().unwrap();
    {
        let log = only_log(dir.path());
        append(&log, 0..2500).unwrap();
        let chunk = log.next(700).unwrap().unwrap();
        assert_eq!(steps(&chunk.entries), (0..700).collect::<Vec<_>>());
        assert_eq!(
            log.next(700).unwrap().unwrap(),
            chunk,
            "not acknowledged yet"
        );
        log.acknowledge(&chunk, &[]).unwrap();
        log.keep_run_id("r1").unwrap();
    }
    let log = only_log(dir.path());
    assert_eq!(log.info().run_id.as_deref(), Some("r1"));
    assert_eq!(log.info().waiting, 1800);
    assert_eq!(drain(&log), (700..2500).collect::<Vec<_>>());
}

#[test]
fn segments_are_deleted_when_they_are_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let log = only_log(dir.path());
    for start in 0..30 {
        append(&log, start * 20_000..(start + 1) * 20_000).unwrap();
    }
    let before = segments(dir.path()).len();
    assert!(before >= 3, "{before}");
    assert_eq!(drain(&log), (0..600_000).collect::<Vec<_>>());
    let left = segments(dir.path());
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].metadata().unwrap().len(), 0);
    assert_eq!((log.info().bytes, open(dir.path()).bytes()), (0, 0));
}

#[test]
fn beyond_the_bound_nothing_is_written_and_delivery_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let limited = Options {
        limit: 10_000,
        ..options()
    };
    let outbox = Outbox::open(dir.path(), &limited).unwrap();
    let (one, two) = (outbox.log("a", "").unwrap(), outbox.log("b", "").unwrap());
    append(&one, 0..200).unwrap();
    let error = append(&two, 0..200).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Overloaded);
    assert!(error.message.contains("outbox_limit is 10000"), "{error}");
    assert_eq!(two.next(10).unwrap(), None);
    assert_eq!(two.info().bytes, 0);
    two.append_status(&RunStatus::Failed, Some(1)).unwrap();
    assert_eq!(drain(&one).len(), 200);
    append(&two, 0..200).unwrap();
    drop((one, two, outbox));
    // What waits counts after a restart too.
    let outbox = Outbox::open(dir.path(), &limited).unwrap();
    assert_eq!(
        append(&outbox.log("a", "").unwrap(), 0..200)
            .unwrap_err()
            .kind,
        ErrorKind::Overloaded
    );
}

#[test]
fn an_error_among_the_entries_keeps_none_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let log = only_log(dir.path());
    let long = "x".repeat(2 << 20);
    let entries = [
        Ok(EntryRef::Param {
            key: "a",
            value: "1",
        }),
        Ok(EntryRef::Param {
            key: "b",
            value: &long,
        }),
    ];
    assert_eq!(
        log.append::<OutboxError>(entries).unwrap_err().kind,
        ErrorKind::Invalid
    );
    let entries = [
        Ok(EntryRef::Param {
            key: "a",
            value: "1",
        }),
        Err(OutboxError::invalid("no")),
    ];
    assert_eq!(log.append(entries).unwrap_err().message, "no");
    append(&log, 0..1).unwrap();
    assert_eq!(drain(&log), [0]);
}

#[test]
fn what_was_refused_is_kept_until_it_is_discarded() {
    let dir = tempfile::tempdir().unwrap();
    let log = only_log(dir.path());
    append(&log, 0..3).unwrap();
    let chunk = log.next(10).unwrap().unwrap();
    let rejected = Rejected {
        number: 1,
        at: 5,
        kind: "invalid".into(),
        message: "no".into(),
        entry: chunk.entries[1].1.clone(),
    };
    log.acknowledge(&chunk, std::slice::from_ref(&rejected))
        .unwrap();
    assert!(!log.remove_if_done().unwrap());
    drop(log);

    let log = only_log(dir.path());
    assert_eq!(log.rejected().unwrap(), [rejected]);
    assert_eq!(log.progress().rejected, 1);
    append(&log, 3..4).unwrap();
    log.discard().unwrap();
    assert_eq!((log.info().waiting, log.rejected().unwrap().len()), (0, 0));
    assert!(log.remove_if_done().unwrap());
}

#[test]
fn a_log_goes_only_when_nothing_in_it_waits() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = open(dir.path());
    let log = outbox.log("own:a", "{}").unwrap();
    append(&log, 0..1).unwrap();
    assert!(!log.remove_if_done().unwrap());
    drain(&log);
    assert!(log.remove_if_done().unwrap());
    assert_eq!(append(&log, 1..2).unwrap_err().kind, ErrorKind::Closed);
    assert!(outbox.logs().is_empty());
    // Its key is free again.
    append(&outbox.log("own:a", "{}").unwrap(), 5..6).unwrap();
    assert_eq!(drain(&only_log(dir.path())), [5]);
}

#[test]
fn the_end_of_a_run_is_known_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    for (ended, deliver) in [(false, false), (true, false), (true, true)] {
        let log = only_log(dir.path());
        append(&log, 0..50_000).unwrap();
        if ended {
            log.append_status(&RunStatus::Finished, Some(1)).unwrap();
        }
        while let Some(chunk) = log.next(1000).unwrap().filter(|_| deliver) {
            log.acknowledge(&chunk, &[]).unwrap();
        }
        drop(log);
        let log = only_log(dir.path());
        assert_eq!(log.info().ended, ended, "{deliver}");
        assert!(log.info().latest.is_some());
    }
    let log = only_log(dir.path());
    log.append_status(&RunStatus::Running, None).unwrap();
    assert!(!log.info().ended);
}

#[test]
fn identities_are_kept_and_any_key_will_do() {
    let dir = tempfile::tempdir().unwrap();
    let keys = [
        "own:a/../b",
        "own:",
        "trial:ü\n",
        "own:a/__/b",
        &"k".repeat(5000),
    ];
    {
        let outbox = open(dir.path());
        for key in keys {
            append(
                &outbox.log(key, &format!("identity of {key}")).unwrap(),
                0..1,
            )
            .unwrap();
        }
    }
    let logs = open(dir.path()).logs();
    let found: Vec<_> = logs.iter().map(|log| log.key().to_owned()).collect();
    assert_eq!(found, keys);
    assert!(
        logs.iter()
            .all(|log| log.identity() == format!("identity of {}", log.key()))
    );
}

#[test]
fn flushing_covers_what_was_appended() {
    let dir = tempfile::tempdir().unwrap();
    let log = only_log(dir.path());
    append(&log, 0..400_000).unwrap();
    append(&log, 400_000..400_001).unwrap();
    open(dir.path()).flush().unwrap();
    assert_eq!(log.info().flush_error, None);
    assert!(folder(dir.path()).join("header").exists());
}
