use mlflow_core::diff::Direction;
use mlflow_core::model::RunStatus::{self, Failed, Finished, Killed, Running, Scheduled};

use super::{DIRECTIONS, diff, pulls, pushes, run, trial};

#[test]
fn without_a_base_an_ended_side_has_got_further() {
    for (here, there, pushed, pulled) in [
        (Running, Finished, false, true),
        (Scheduled, Killed, false, true),
        (Finished, Running, true, false),
        (Failed, Scheduled, true, false),
        (Scheduled, Running, true, false),
        (Running, Scheduled, true, false),
        (Finished, Finished, false, false),
    ] {
        let (mut trial, mut run) = (trial(), run());
        (trial.status, run.status) = (here, there);
        for direction in DIRECTIONS {
            let plan = diff(&trial, None, Some(&run), direction);
            let expected_push = (pushed && pushes(direction)).then(|| trial.status.clone());
            let expected_pull = (pulled && pulls(direction)).then(|| run.status.clone());
            assert_eq!(plan.push.update.status, expected_push);
            assert_eq!(plan.pull.status, expected_pull);
            assert_eq!(plan.conflicts, []);
        }
    }
}

#[test]
fn a_run_that_ended_before_there_was_a_base_is_never_reopened() {
    let (trial, mut run) = (trial(), run());
    run.status = Finished;
    let first = diff(&trial, None, Some(&run), Direction::Push);
    assert!(first.push.is_empty());

    let blind = diff(&trial, Some(&first.base), None, Direction::Push);
    assert!(blind.push.is_empty());

    let second = diff(&trial, Some(&first.base), Some(&run), Direction::Both);
    assert!(second.push.is_empty());
    assert_eq!(second.pull.status, Some(Finished));
    assert_eq!(second.conflicts, []);
}

#[test]
fn a_trial_that_ended_before_there_was_a_base_is_pushed_after_a_pull() {
    let (mut trial, run) = (trial(), run());
    trial.status = Finished;
    let first = diff(&trial, None, Some(&run), Direction::Pull);
    assert_eq!(first.pull, Default::default());
    let second = diff(&trial, Some(&first.base), Some(&run), Direction::Both);
    assert_eq!(second.push.update.status, Some(Finished));
    assert_eq!(second.conflicts, []);
}

#[test]
fn a_trial_that_was_started_again_reopens_its_run() {
    let (mut trial, mut run) = (trial(), run());
    (trial.status, trial.end_time) = (Finished, Some(5));
    (run.status, run.end_time) = (Finished, Some(5));
    let base = diff(&trial, None, Some(&run), Direction::Both).base;

    (trial.status, trial.end_time) = (Running, None);
    let plan = diff(&trial, Some(&base), Some(&run), Direction::Both);
    assert_eq!(plan.push.update.status, Some(Running));
    assert_eq!(plan.push.update.end_time, None);
    assert_eq!(plan.pull, Default::default());

    run.status = Running;
    let next = diff(&trial, Some(&plan.base), Some(&run), Direction::Both);
    assert!(next.push.is_empty());
    assert_eq!(next.pull, Default::default());
}

#[test]
fn a_status_that_only_the_server_knows_stays_there() {
    let (mut trial, mut run) = (trial(), run());
    trial.status = Running;
    run.status = Running;
    let base = diff(&trial, None, Some(&run), Direction::Both).base;

    run.status = RunStatus::Other("PAUSED".to_owned());
    let plan = diff(&trial, Some(&base), Some(&run), Direction::Both);
    assert_eq!(plan.pull.status, None);
    let next = diff(&trial, Some(&plan.base), Some(&run), Direction::Both);
    assert_eq!(next.push.update.status, None, "nor is it overwritten");

    trial.status = Finished;
    let ended = diff(&trial, Some(&next.base), Some(&run), Direction::Both);
    assert_eq!(ended.push.update.status, Some(Finished));
}
