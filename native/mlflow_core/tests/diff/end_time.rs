use mlflow_core::diff::Direction;
use mlflow_core::model::RunStatus::{Failed, Finished, Running};
use mlflow_core::model::{Run, Trial};

use super::{DIRECTIONS, agreed, diff, pulls, pushes, run, trial};

fn ended(here: Option<i64>, there: Option<i64>) -> (Trial, Run) {
    let (mut trial, mut run) = (trial(), run());
    (trial.status, trial.end_time) = (Finished, here);
    (run.status, run.end_time) = (Finished, there);
    (trial, run)
}

#[test]
fn an_end_time_goes_with_the_status_it_belongs_to() {
    let base = agreed(&trial(), &run());
    for direction in DIRECTIONS {
        let (trial, mut run) = (ended(Some(5), None).0, run());
        let plan = diff(&trial, Some(&base), Some(&run), direction);
        assert_eq!(
            plan.push.update.status,
            pushes(direction).then_some(Finished)
        );
        assert_eq!(plan.push.update.end_time, pushes(direction).then_some(5));

        let trial = self::trial();
        (run.status, run.end_time) = (Failed, Some(9));
        let plan = diff(&trial, Some(&base), Some(&run), direction);
        assert_eq!(plan.pull.status, pulls(direction).then_some(Failed));
        assert_eq!(plan.pull.end_time, pulls(direction).then_some(9));
    }
}

#[test]
fn a_pulled_status_brings_its_end_time_even_where_the_trial_has_one() {
    let base = agreed(&trial(), &run());
    let (mut trial, run) = ended(Some(5), Some(9));
    trial.status = Running;
    let plan = diff(&trial, Some(&base), Some(&run), Direction::Both);
    assert_eq!(plan.pull.status, Some(Finished));
    assert_eq!(plan.pull.end_time, Some(9));
    assert!(plan.push.is_empty());
    assert_eq!(plan.conflicts, []);
}

#[test]
fn the_end_time_of_a_side_that_wins_the_status_wins_too() {
    let base = agreed(&trial(), &run());
    let (trial, mut run) = ended(Some(5), Some(9));
    run.status = Failed;
    let plan = diff(&trial, Some(&base), Some(&run), Direction::Both);
    assert_eq!(plan.push.update.status, Some(Finished));
    assert_eq!(plan.push.update.end_time, Some(5));
    let fields: Vec<_> = plan
        .conflicts
        .iter()
        .map(|conflict| conflict.field)
        .collect();
    assert_eq!(fields, ["status", "end_time"]);
}

#[test]
fn one_side_that_has_an_end_time_gives_it_to_the_other() {
    for direction in DIRECTIONS {
        let (trial, run) = ended(Some(5), None);
        let plan = diff(&trial, None, Some(&run), direction);
        assert_eq!(plan.push.update.end_time, pushes(direction).then_some(5));
        let (trial, run) = ended(None, Some(9));
        let plan = diff(&trial, None, Some(&run), direction);
        assert_eq!(plan.pull.end_time, pulls(direction).then_some(9));
    }
}

#[test]
fn a_trial_that_keeps_no_end_time_still_learns_of_a_new_one_and_only_once() {
    let (trial, mut run) = ended(None, Some(9));
    let first = diff(&trial, None, Some(&run), Direction::Both);
    let again = diff(&trial, Some(&first.base), Some(&run), Direction::Both);
    assert_eq!(again.pull, Default::default());
    run.end_time = Some(10);
    let second = diff(&trial, Some(&again.base), Some(&run), Direction::Both);
    assert_eq!(second.pull.end_time, Some(10));
    assert_eq!(second.conflicts, []);
}

#[test]
fn the_end_time_of_something_that_runs_means_nothing() {
    for (here, there) in [(Some(5), None), (None, Some(9)), (Some(5), Some(9))] {
        let (mut trial, mut run) = ended(here, there);
        (trial.status, run.status) = (Running, Running);
        let plan = diff(&trial, None, Some(&run), Direction::Both);
        assert!(plan.push.is_empty());
        assert_eq!(plan.pull, Default::default());
        assert_eq!(plan.conflicts, []);
    }
}

#[test]
fn an_end_time_is_written_once() {
    let (trial, run) = ended(Some(5), Some(5));
    let base = agreed(&trial, &run);
    for (base, run) in [
        (None, Some(&run)),
        (Some(&base), Some(&run)),
        (Some(&base), None),
    ] {
        assert!(diff(&trial, base, run, Direction::Push).push.is_empty());
    }
}

#[test]
fn an_end_time_left_over_from_before_a_restart_is_no_conflict() {
    let (mut trial, mut run) = ended(None, Some(2));
    (trial.status, run.status) = (Running, Running);
    let base = diff(&trial, None, Some(&run), Direction::Both).base;
    (trial.status, trial.end_time) = (Finished, Some(5));
    let plan = diff(&trial, Some(&base), Some(&run), Direction::Both);
    assert_eq!(plan.push.update.end_time, Some(5));
    assert_eq!(plan.conflicts, []);
}

#[test]
fn a_run_that_was_started_again_is_given_no_end_time() {
    let (mut trial, mut run) = ended(None, None);
    let base = agreed(&trial, &run);
    (trial.end_time, run.status) = (Some(5), Running);
    let plan = diff(&trial, Some(&base), Some(&run), Direction::Push);
    assert!(plan.push.is_empty());
}
