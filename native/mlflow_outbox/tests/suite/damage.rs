//! Files that a power cut, a kill or a bad disk left in pieces.

use std::fs::{self, OpenOptions};
use std::path::Path;

use crate::support::{append, drain, folder, only_log, open, segments};

/// A log of ten appends of one point each, and where each one ends.
fn ten_appends(root: &Path) -> Vec<u64> {
    let log = only_log(root);
    (0..10)
        .map(|step| {
            append(&log, step..step + 1).unwrap();
            segments(root)[0].metadata().unwrap().len()
        })
        .collect()
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_off_and_logging_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let ends = ten_appends(dir.path());
    let path = segments(dir.path())[0].clone();
    let whole = fs::read(&path).unwrap();
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let kept = ends.iter().filter(|end| **end <= cut as u64).count() as i64;
        let log = only_log(dir.path());
        assert_eq!(log.info().waiting, kept as u64, "cut at {cut}");
        append(&log, kept..kept + 1).unwrap();
        drop(log);
        let log = only_log(dir.path());
        let chunk = log.next(100).unwrap().unwrap();
        assert_eq!(
            crate::support::steps(&chunk.entries),
            (0..=kept).collect::<Vec<_>>()
        );
        assert_eq!(log.info().lost, 0);
    }
}

#[test]
fn a_tail_of_zeros_or_noise_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    ten_appends(dir.path());
    let path = segments(dir.path())[0].clone();
    let whole = fs::read(&path).unwrap();
    let noise: Vec<u8> = (0..5000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for tail in [vec![0; 5000], vec![0xff; 5000], noise] {
        fs::write(&path, [whole.clone(), tail].concat()).unwrap();
        let log = only_log(dir.path());
        assert_eq!(log.info().waiting, 10);
        assert_eq!(path.metadata().unwrap().len(), whole.len() as u64);
    }
}

#[test]
fn damage_in_the_middle_costs_its_own_entries_and_is_reported() {
    for byte in [0, 5, 9, 17, 21, 30, 50] {
        let dir = tempfile::tempdir().unwrap();
        let ends = ten_appends(dir.path());
        let path = segments(dir.path())[0].clone();
        let mut content = fs::read(&path).unwrap();
        content[ends[3] as usize + byte] ^= 0x5a;
        fs::write(&path, &content).unwrap();

        let log = only_log(dir.path());
        assert_eq!(drain(&log), [0, 1, 2, 3, 5, 6, 7, 8, 9], "byte {byte}");
        assert_eq!(log.info().lost, 1);
        assert!(
            !log.remove_if_done().unwrap(),
            "to be seen until it is discarded"
        );
        let copies: Vec<_> = fs::read_dir(folder(dir.path()))
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "damaged")
            })
            .collect();
        assert_eq!(copies.len(), 1);
        assert_eq!(fs::read(&copies[0]).unwrap(), content);
        drop(log);
        assert_eq!(only_log(dir.path()).info().lost, 1);
    }
}

#[test]
fn damage_in_a_full_segment_or_a_missing_one_holds_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    let log = only_log(dir.path());
    for start in 0..30 {
        append(&log, start * 20_000..(start + 1) * 20_000).unwrap();
    }
    drop(log);
    let paths = segments(dir.path());
    let first_of_second: u64 = number(&paths[1]);
    let first_of_third: u64 = number(&paths[2]);
    // The first loses its end, the second is gone.
    let file = OpenOptions::new().write(true).open(&paths[0]).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    fs::remove_file(&paths[1]).unwrap();

    let log = only_log(dir.path());
    let found = drain(&log);
    let lost = log.info().lost;
    assert_eq!(found.len() as u64 + lost, 600_000);
    assert!(lost > first_of_third - first_of_second);
    assert_eq!(found[..1000], (0..1000).collect::<Vec<_>>());
    assert_eq!(found.last(), Some(&599_999));
    assert!(found.is_sorted());
}

fn number(path: &Path) -> u64 {
    path.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

#[test]
fn a_lost_or_broken_cursor_only_means_that_some_are_sent_again() {
    for content in [None, Some(&b"broken"[..]), Some(&[0xff; 28][..])] {
        let dir = tempfile::tempdir().unwrap();
        let log = only_log(dir.path());
        append(&log, 0..10).unwrap();
        let chunk = log.next(4).unwrap().unwrap();
        log.acknowledge(&chunk, &[]).unwrap();
        drop(log);
        let cursor = folder(dir.path()).join("cursor");
        match content {
            None => fs::remove_file(cursor).unwrap(),
            Some(content) => fs::write(cursor, content).unwrap(),
        }
        assert_eq!(drain(&only_log(dir.path())), (0..10).collect::<Vec<_>>());
    }
}

#[test]
fn numbers_are_not_used_again_when_the_tail_was_delivered_and_then_lost() {
    let dir = tempfile::tempdir().unwrap();
    let ends = ten_appends(dir.path());
    let log = only_log(dir.path());
    let chunk = log.next(8).unwrap().unwrap();
    log.acknowledge(&chunk, &[]).unwrap();
    drop(log);
    let path = segments(dir.path())[0].clone();
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(ends[4]).unwrap();

    let log = only_log(dir.path());
    assert_eq!((log.progress().logged, log.progress().delivered), (8, 8));
    append(&log, 100..103).unwrap();
    drop(log);
    let log = only_log(dir.path());
    assert_eq!(drain(&log), [100, 101, 102]);
    assert_eq!(log.info().lost, 0);
}

#[test]
fn a_log_without_a_readable_header_is_told_of_and_keeps_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    ten_appends(dir.path());
    append(&open(dir.path()).log("own:b", "{}").unwrap(), 0..1).unwrap();
    let first = fs::read_dir(dir.path().join("1"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|path| path.to_string_lossy().contains("own_a"))
        .unwrap();
    fs::write(first.join("header"), "broken").unwrap();
    let outbox = open(dir.path());
    assert_eq!(outbox.logs().len(), 1);
    assert!(
        outbox.unreadable()[0].contains("own_a"),
        "{:?}",
        outbox.unreadable()
    );
}
