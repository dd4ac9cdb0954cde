//! Who wins what both sides changed.

use std::sync::Arc;

use mlflow_core::diff::{Base, Direction, ParamPolicy, Plan, Policy, Side, Winner, diff};
use mlflow_core::model::{Metric, MetricValue, Run, Tag, Trial};

use super::{DIRECTIONS, agreed, map, metric, pulls, pushes, run, trial};

const PREFIX: &str = "our_param.";

fn everywhere(side: Side) -> Policy {
    Policy {
        status: side,
        times: side,
        name: side,
        metrics: side,
        tags: side,
        artifact_uri: side,
        ..Policy::default()
    }
}

fn params(params: ParamPolicy) -> Policy {
    Policy {
        params,
        param_tag_prefix: PREFIX.to_owned(),
        ..Policy::default()
    }
}

/// A name, a status, an end time and a tag that both sides changed.
fn changed_on_both() -> (Trial, Arc<Base>, Run) {
    let (mut trial, mut run) = (trial(), run());
    let base = agreed(&trial, &run);
    (trial.name, run.name) = (Some("here".to_owned()), Some("there".to_owned()));
    trial.status = "FINISHED".to_owned().into();
    run.status = "FAILED".to_owned().into();
    (trial.end_time, run.end_time) = (Some(5), Some(9));
    trial.tags = map(&[("k", "here")]);
    run.tags = map(&[("k", "there")]);
    (trial, base, run)
}

#[track_caller]
fn expect(plan: &Plan, direction: Direction, winner: Winner) {
    let settled: Vec<_> = plan
        .conflicts
        .iter()
        .map(|conflict| (conflict.field, conflict.winner))
        .collect();
    let fields = ["name", "status", "end_time", "tag"].map(|field| (field, winner));
    assert_eq!(settled, fields);
    let pushed = winner == Winner::Local && pushes(direction);
    let pulled = winner == Winner::Remote && pulls(direction);
    assert_eq!(plan.push.update.run_name.is_some(), pushed);
    assert_eq!(plan.push.update.status.is_some(), pushed);
    assert_eq!(plan.push.update.end_time.is_some(), pushed);
    assert_eq!(plan.push.tags.is_empty(), !pushed);
    assert_eq!(plan.pull.name.is_some(), pulled);
    assert_eq!(plan.pull.status.is_some(), pulled);
    assert_eq!(plan.pull.end_time.is_some(), pulled);
    assert_eq!(plan.pull.tags.is_empty(), !pulled);
}

#[test]
fn the_side_that_the_policy_names_wins() {
    let (trial, base, run) = changed_on_both();
    for direction in DIRECTIONS {
        for (side, winner) in [(Side::Local, Winner::Local), (Side::Remote, Winner::Remote)] {
            let plan = diff(
                &trial,
                Some(&base),
                Some(&run),
                direction,
                &everywhere(side),
            );
            expect(&plan, direction, winner);
            let is_left = winner == Winner::Remote && !pulls(direction);
            assert_eq!(plan.base.is_contested, is_left);
        }
    }
}

#[test]
fn the_newest_is_whoever_was_changed_last_as_far_as_that_can_be_told() {
    let (mut trial, base, mut run) = changed_on_both();
    for (version, end_time, point, winner) in [
        (Some(8), Some(9), None, Winner::Remote),
        (Some(9), Some(9), None, Winner::Local),
        (Some(10), Some(9), None, Winner::Local),
        (Some(10), Some(9), Some(11), Winner::Remote),
        (None, Some(9), None, Winner::Local),
    ] {
        trial.version = version;
        run.end_time = end_time;
        run.metrics = point
            .map(|time| metric("m", 0.5, time, 1))
            .into_iter()
            .collect();
        for direction in DIRECTIONS {
            let policy = everywhere(Side::Newest);
            let plan = diff(&trial, Some(&base), Some(&run), direction, &policy);
            expect(&plan, direction, winner);
        }
    }
}

#[test]
fn a_status_that_only_the_server_knows_never_wins() {
    let (trial, base, mut run) = changed_on_both();
    run.status = "PAUSED".to_owned().into();
    let policy = everywhere(Side::Remote);
    let plan = diff(&trial, Some(&base), Some(&run), Direction::Both, &policy);
    assert_eq!(plan.push.update.status, Some(trial.status));
    assert_eq!(plan.pull.status, None);
}

fn differing_param() -> (Trial, Run) {
    let (mut trial, mut run) = (trial(), run());
    trial.params = map(&[("lr", "0.1"), ("depth", "3")]);
    run.params = map(&[("lr", "0.2"), ("depth", "3")]);
    (trial, run)
}

#[test]
fn under_a_tag_the_trials_value_is_kept_for_as_long_as_it_differs() {
    let policy = params(ParamPolicy::Tag);
    let (mut trial, mut run) = differing_param();
    let first = diff(&trial, None, Some(&run), Direction::Both, &policy);
    let tag = Tag {
        key: "our_param.lr".to_owned(),
        value: "0.1".to_owned(),
    };
    assert_eq!(first.push.tags, [tag]);
    assert_eq!(first.conflicts.len(), 1);

    run.tags = map(&[("our_param.lr", "0.1")]);
    for run in [None, Some(&run)] {
        let again = diff(&trial, Some(&first.base), run, Direction::Both, &policy);
        assert!(again.push.is_empty());
        assert_eq!(again.pull, Default::default());
        assert_eq!(again.conflicts.len(), 1);
    }

    trial.params = map(&[("lr", "0.3"), ("depth", "3")]);
    let changed = diff(
        &trial,
        Some(&first.base),
        Some(&run),
        Direction::Push,
        &policy,
    );
    assert_eq!(changed.push.tags[0].value, "0.3");

    trial.params = map(&[("lr", "0.20"), ("depth", "3")]);
    let settled = diff(
        &trial,
        Some(&first.base),
        Some(&run),
        Direction::Push,
        &policy,
    );
    assert_eq!(settled.push.deleted_tags, ["our_param.lr"]);
    run.tags.clear();
    let after = diff(
        &trial,
        Some(&settled.base),
        Some(&run),
        Direction::Both,
        &policy,
    );
    assert!(after.push.is_empty() && after.conflicts.is_empty());
}

#[test]
fn a_tag_that_holds_a_param_is_never_taken_for_the_trials() {
    for policy in [
        ParamPolicy::KeepRemote,
        ParamPolicy::NewRun,
        ParamPolicy::Tag,
    ] {
        let (mut trial, mut run) = (trial(), run());
        run.tags = map(&[("our_param.lr", "0.1")]);
        let plan = diff(&trial, None, Some(&run), Direction::Pull, &params(policy));
        assert_eq!(plan.pull, Default::default());
        trial.tags = map(&[("our_param.depth", "3")]);
        let plan = diff(&trial, None, Some(&run), Direction::Push, &params(policy));
        assert_eq!(plan.push.tags, []);
    }
}

#[test]
fn a_param_whose_tag_would_have_too_long_a_key_stays_without() {
    let (mut trial, mut run) = (trial(), run());
    let key = "k".repeat(245);
    trial.params = map(&[(&key, "1")]);
    run.params = map(&[(&key, "2")]);
    let policy = params(ParamPolicy::Tag);
    let plan = diff(&trial, None, Some(&run), Direction::Push, &policy);
    assert!(plan.push.is_empty());
    assert_eq!(plan.conflicts.len(), 1);
}

#[test]
fn a_new_run_is_asked_for_and_nothing_else_is_planned() {
    let policy = params(ParamPolicy::NewRun);
    let (mut trial, run) = differing_param();
    trial.name = Some("here".to_owned());
    for direction in DIRECTIONS {
        let plan = diff(&trial, None, Some(&run), direction, &policy);
        assert_eq!(plan.new_run, pushes(direction));
        assert_eq!(plan.conflicts.len(), 1);
        assert!(plan.push.is_empty());
        let winner = [Winner::Remote, Winner::Local][usize::from(pushes(direction))];
        assert_eq!(plan.conflicts[0].winner, winner);
    }
    trial.params = run.params.clone();
    assert!(!diff(&trial, None, Some(&run), Direction::Push, &policy).new_run);
}

#[test]
fn what_a_run_was_created_with_is_taken_over_by_a_trial_without() {
    let (mut trial, mut run) = (trial(), run());
    trial.start_time = None;
    (run.start_time, run.artifact_uri) = (Some(7), Some("s3://there".to_owned()));
    for direction in DIRECTIONS {
        let plan = diff(&trial, None, Some(&run), direction, &Policy::default());
        assert_eq!(plan.pull.start_time, pulls(direction).then_some(7));
        assert_eq!(plan.pull.artifact_uri.is_some(), pulls(direction));
        assert_eq!(plan.conflicts, []);
        assert!(plan.push.is_empty());
        // Whether or not the trial has a place for them.
        let next = diff(
            &trial,
            Some(&plan.base),
            Some(&run),
            Direction::Pull,
            &Policy::default(),
        );
        assert_eq!(next.pull.start_time.is_none(), pulls(direction));
        assert_eq!(next.pull.artifact_uri.is_none(), pulls(direction));
    }
}

#[test]
fn what_a_run_was_created_with_otherwise_is_told_once_or_taken_over() {
    let (mut trial, mut run) = (trial(), run());
    trial.artifact_uri = Some("s3://here".to_owned());
    (run.start_time, run.artifact_uri) = (Some(7), Some("s3://there".to_owned()));
    for direction in DIRECTIONS {
        for (side, winner) in [(Side::Local, Winner::Local), (Side::Remote, Winner::Remote)] {
            let policy = everywhere(side);
            let plan = diff(&trial, None, Some(&run), direction, &policy);
            let told: Vec<_> = plan.conflicts.iter().map(|c| (c.field, c.winner)).collect();
            assert_eq!(told, [("start_time", winner), ("artifact_uri", winner)]);
            let is_taken = winner == Winner::Remote && pulls(direction);
            assert_eq!(plan.pull.artifact_uri.is_some(), is_taken);
            assert_eq!(plan.pull.start_time.is_some(), is_taken);
            assert!(plan.push.is_empty());
            let mut trial = trial.clone();
            trial.start_time = plan.pull.start_time.or(trial.start_time);
            trial.artifact_uri = plan.pull.artifact_uri.or(trial.artifact_uri);
            let next = diff(&trial, Some(&plan.base), Some(&run), direction, &policy);
            let is_settled = winner == Winner::Local || is_taken;
            assert_eq!(next.conflicts.is_empty(), is_settled);
        }
    }
}

#[test]
fn a_run_that_was_told_of_no_start_has_none() {
    let (mut trial, mut run) = (trial(), run());
    (trial.start_time, run.start_time) = (Some(7), Some(0));
    let plan = diff(
        &trial,
        None,
        Some(&run),
        Direction::Both,
        &everywhere(Side::Remote),
    );
    assert_eq!(plan.pull, Default::default());
    assert_eq!(plan.conflicts, []);
}

fn both_went_on(ours: &[Metric], theirs: Metric) -> (Trial, Run) {
    let (mut trial, mut run) = (trial(), run());
    (trial.points, run.metrics) = (ours.to_vec(), vec![theirs]);
    (trial, run)
}

#[test]
fn of_two_values_of_a_metric_the_policy_says_which_counts() {
    let (ours, theirs) = (metric("m", 0.5, 2, 2), metric("m", 0.6, 1, 1));
    let (trial, run) = both_went_on(&[metric("m", 0.4, 1, 0), ours], theirs.clone());
    for direction in DIRECTIONS {
        for (side, winner) in [(Side::Local, Winner::Local), (Side::Remote, Winner::Remote)] {
            let plan = diff(&trial, None, Some(&run), direction, &everywhere(side));
            let [conflict] = &plan.conflicts[..] else {
                panic!("{:?}", plan.conflicts);
            };
            assert_eq!((conflict.field, conflict.winner), ("metric", winner));
            assert_eq!(conflict.local.as_deref(), Some("0.5"));
            assert_eq!(conflict.remote.as_deref(), Some("0.6"));
            assert_eq!(
                plan.push.points.len(),
                if pushes(direction) { 2 } else { 0 }
            );
            assert_eq!(plan.pull.points.len(), usize::from(pulls(direction)));
            let is_taken = winner == Winner::Remote && pulls(direction);
            let value = plan.pull.metric_values.get("m").copied();
            assert_eq!(value, is_taken.then_some(MetricValue(0.6)));
        }
    }
}

#[test]
fn a_metric_that_went_on_there_only_has_its_value_from_there() {
    let (trial, run) = both_went_on(&[], metric("m", 0.6, 1, 1));
    let plan = diff(
        &trial,
        None,
        Some(&run),
        Direction::Pull,
        &Policy::default(),
    );
    assert_eq!(plan.pull.metric_values["m"], MetricValue(0.6));
    let next = diff(
        &trial,
        Some(&plan.base),
        Some(&run),
        Direction::Pull,
        &Policy::default(),
    );
    assert_eq!(next.pull, Default::default());

    // A late point of the trial's does not change the value that the trial has.
    let (late, run) = both_went_on(&[metric("m", 0.1, 0, 0)], metric("m", 0.7, 2, 2));
    let plan = diff(
        &late,
        Some(&plan.base),
        Some(&run),
        Direction::Both,
        &Policy::default(),
    );
    assert_eq!(plan.conflicts, []);
    assert_eq!(plan.pull.metric_values["m"], MetricValue(0.7));
    assert_eq!(plan.push.points, late.points);
}

#[test]
fn the_same_value_from_both_sides_is_no_conflict() {
    let (trial, run) = both_went_on(
        &[metric("m", f64::MAX, 2, 2)],
        metric("m", f64::INFINITY, 1, 1),
    );
    let plan = diff(
        &trial,
        None,
        Some(&run),
        Direction::Both,
        &everywhere(Side::Remote),
    );
    assert_eq!(plan.conflicts, []);
    assert_eq!(plan.pull.points.len(), 1);
    assert!(plan.pull.metric_values.is_empty());
}

#[test]
fn what_the_server_cut_is_no_change() {
    let (mut trial, mut run) = (trial(), run());
    trial.params = map(&[("p", &"x".repeat(6100))]);
    run.params = map(&[("p", &"x".repeat(6000))]);
    trial.tags = map(&[("t", &"y".repeat(5100))]);
    run.tags = map(&[("t", &"y".repeat(5000))]);
    let first = diff(
        &trial,
        None,
        Some(&run),
        Direction::Both,
        &Policy::default(),
    );
    let again = diff(
        &trial,
        Some(&first.base),
        Some(&run),
        Direction::Both,
        &Policy::default(),
    );
    for plan in [first, again] {
        assert!(plan.push.is_empty() && plan.conflicts.is_empty());
        assert_eq!(plan.pull, Default::default());
    }
}
