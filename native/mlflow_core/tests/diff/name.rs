use mlflow_core::diff::Direction;

use super::{DIRECTIONS, agreed, diff, pulls, run, trial};

fn named(name: &str) -> Option<String> {
    Some(name.to_owned())
}

#[test]
fn a_name_that_the_server_made_up_is_pulled() {
    let mut run = run();
    run.name = named("bold-cat-12");
    for direction in DIRECTIONS {
        for name in [None, named("")] {
            let mut trial = trial();
            trial.name = name;
            let plan = diff(&trial, None, Some(&run), direction);
            assert!(plan.push.is_empty());
            assert_eq!(plan.conflicts, []);
            assert_eq!(
                plan.pull.name,
                run.name.clone().filter(|_| pulls(direction))
            );
        }
    }
}

#[test]
fn a_trial_that_keeps_no_name_still_learns_of_every_new_one_and_only_once() {
    let (trial, mut run) = (trial(), run());
    run.name = named("first");
    let first = diff(&trial, None, Some(&run), Direction::Both);
    let again = diff(&trial, Some(&first.base), Some(&run), Direction::Both);
    assert_eq!(again.pull.name, None);

    run.name = named("second");
    let second = diff(&trial, Some(&again.base), Some(&run), Direction::Both);
    assert_eq!(second.pull.name, named("second"));
    assert_eq!(second.conflicts, []);
    assert!(second.push.is_empty());
}

#[test]
fn a_name_cannot_be_taken_away() {
    let (mut trial, mut run) = (trial(), run());
    (trial.name, run.name) = (named("a"), named("a"));
    let base = agreed(&trial, &run);
    for (here, there) in [
        (None, named("a")),
        (named(""), named("a")),
        (named("a"), None),
    ] {
        (trial.name, run.name) = (here, there);
        let plan = diff(&trial, Some(&base), Some(&run), Direction::Both);
        assert!(plan.push.is_empty());
        assert_eq!(plan.pull, Default::default());
        assert_eq!(plan.base, base);
    }
}
