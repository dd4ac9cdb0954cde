//! Whatever happens between them, entries are delivered in their order, and none that is durable is
//! lost.

use std::fs::OpenOptions;

use proptest::prelude::*;

use crate::support::{append, folder, only_log, segments, steps};

#[derive(Clone, Debug)]
enum Act {
    Append(i64),
    /// Takes a chunk of at most so many entries and acknowledges it.
    Deliver(usize),
    /// Takes one, and its answer is lost.
    DeliverInVain(usize),
    Reopen,
    /// Takes so many bytes that were not flushed off the end, as a power cut does.
    PowerCut(u64),
    LoseCursor,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (1..1500i64).prop_map(Act::Append),
        1 => (40_000..90_000i64).prop_map(Act::Append),
        4 => (1..3000usize).prop_map(Act::Deliver),
        1 => (1..3000usize).prop_map(Act::DeliverInVain),
        2 => Just(Act::Reopen),
        2 => (1..5_000u64).prop_map(Act::PowerCut),
        1 => Just(Act::LoseCursor),
    ];
    proptest::collection::vec(act, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_durable_is_delivered_in_order(acts in acts()) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let mut log = only_log(root);
        // The steps in the log, as the model has them, and how many of them were acknowledged.
        let mut model: Vec<i64> = Vec::new();
        let mut acknowledged = 0;
        let mut durable = 0;
        let mut next_step = 0;
        for act in acts {
            match act {
                Act::Append(count) => {
                    append(&log, next_step..next_step + count).unwrap();
                    model.extend(next_step..next_step + count);
                    next_step += count;
                }
                Act::Deliver(most) | Act::DeliverInVain(most) => {
                    let chunk = log.next(most).unwrap();
                    let found = chunk.as_ref().map(|chunk| steps(&chunk.entries)).unwrap_or_default();
                    prop_assert!(found.len() <= most);
                    prop_assert_eq!(found.is_empty(), acknowledged == model.len());
                    prop_assert_eq!(&found[..], &model[acknowledged..acknowledged + found.len()]);
                    if let (Act::Deliver(_), Some(chunk)) = (&act, &chunk) {
                        log.acknowledge(chunk, &[]).unwrap();
                        acknowledged += found.len();
                    }
                }
                Act::Reopen => {
                    drop(log);
                    log = only_log(root);
                    durable = model.len();
                }
                Act::PowerCut(bytes) => {
                    drop(log);
                    let path = segments(root).pop().unwrap();
                    let file = OpenOptions::new().write(true).open(path).unwrap();
                    let length = file.metadata().unwrap().len();
                    // What the last start found is flushed; so is all that was delivered, or it
                    // does not matter any more.
                    let flushed = durable == model.len();
                    if !flushed {
                        file.set_len(length.saturating_sub(bytes)).unwrap();
                    }
                    log = only_log(root);
                    let progress = log.progress();
                    prop_assert!(progress.logged >= acknowledged as u64);
                    prop_assert!(progress.logged <= model.len() as u64);
                    if progress.logged == acknowledged as u64 {
                        acknowledged = progress.logged as usize;
                    }
                    model.truncate(progress.logged as usize);
                    durable = model.len();
                }
                Act::LoseCursor => {
                    drop(log);
                    std::fs::remove_file(folder(root).join("cursor")).unwrap();
                    log = only_log(root);
                    let delivered = log.progress().delivered as usize;
                    prop_assert!(delivered <= acknowledged, "replayed, and not skipped");
                    // A torn end may have been taken for delivered, which is what it was.
                    acknowledged = delivered;
                    durable = model.len();
                }
            }
            prop_assert_eq!(log.info().waiting as usize, model.len() - acknowledged);
            prop_assert_eq!(log.info().lost, 0);
        }
        let mut rest = Vec::new();
        while let Some(chunk) = log.next(1000).unwrap() {
            rest.extend(steps(&chunk.entries));
            log.acknowledge(&chunk, &[]).unwrap();
        }
        prop_assert_eq!(&rest[..], &model[acknowledged..]);
        prop_assert_eq!(log.info().bytes, 0);
    }
}
