use std::slice::from_ref;

use mlflow_core::diff::Direction;
use mlflow_core::model::{Metric, Run, Trial};

use super::{DIRECTIONS, diff, metric, pulls, pushes, run, trial};

fn sides(pending: &[Metric], latest: &[Metric]) -> (Trial, Run) {
    let (mut trial, mut run) = (trial(), run());
    (trial.points, run.metrics) = (pending.to_vec(), latest.to_vec());
    (trial, run)
}

#[test]
fn points_go_both_ways_and_never_conflict() {
    let (ours, theirs) = (metric("m", 0.5, 2, 2), metric("n", 0.6, 1, 1));
    let (trial, run) = sides(from_ref(&ours), from_ref(&theirs));
    for direction in DIRECTIONS {
        let plan = diff(&trial, None, Some(&run), direction);
        assert_eq!(plan.push.points.contains(&ours), pushes(direction));
        assert_eq!(plan.pull.points.contains(&theirs), pulls(direction));
        assert_eq!(plan.conflicts, []);
    }
}

#[test]
fn a_point_that_was_not_carried_is_found_again() {
    let (ours, theirs) = (metric("m", 0.5, 2, 2), metric("m", 0.6, 1, 1));
    let (pending, run) = sides(from_ref(&ours), from_ref(&theirs));

    let pulled = diff(&pending, None, Some(&run), Direction::Pull);
    let next = diff(&pending, Some(&pulled.base), Some(&run), Direction::Both);
    assert_eq!(next.push.points, from_ref(&ours));
    assert_eq!(next.pull.points, []);

    let (_, ahead) = sides(&[], &[metric("m", 0.7, 3, 3)]);
    let pushed = diff(&pending, None, Some(&ahead), Direction::Push);
    let next = diff(&trial(), Some(&pushed.base), Some(&ahead), Direction::Both);
    assert_eq!(next.push.points, []);
    assert_eq!(next.pull.points, ahead.metrics);
}

#[test]
fn points_are_pushed_in_the_order_they_were_recorded() {
    let points = [
        metric("b", 0.3, 3, 3),
        metric("a", 0.1, 1, 1),
        metric("b", 0.2, 2, 2),
    ];
    let (trial, run) = sides(&points, &[]);
    assert_eq!(
        diff(&trial, None, Some(&run), Direction::Push).push.points,
        points
    );
}

#[test]
fn a_point_that_the_server_has_is_not_pushed_again() {
    let points = [metric("m", 0.1, 1, 1), metric("m", 0.2, 2, 2)];
    let (trial, run) = sides(&points, &points[1..]);
    let plan = diff(&trial, None, Some(&run), Direction::Both);
    assert_eq!(plan.push.points, points[..1]);
    assert_eq!(plan.pull.points, []);

    let blind = diff(&trial, Some(&plan.base), None, Direction::Push);
    assert_eq!(blind.push.points, points[..1]);
}

#[test]
fn what_the_server_stores_for_infinity_and_nan_is_the_same_point() {
    for (recorded, stored) in [
        (f64::INFINITY, f64::MAX),
        (f64::NEG_INFINITY, f64::MIN),
        (f64::NAN, f64::NAN),
        (-0.0, 0.0),
    ] {
        let (pending, run) = sides(&[metric("m", recorded, 1, 1)], &[metric("m", stored, 1, 1)]);
        let plan = diff(&pending, None, Some(&run), Direction::Both);
        assert!(plan.push.is_empty());
        assert_eq!(plan.pull.points, []);

        let next = diff(&trial(), Some(&plan.base), Some(&run), Direction::Both);
        assert_eq!(next.pull.points, []);
    }
}

#[test]
fn of_two_points_at_one_time_the_base_keeps_the_one_the_server_calls_latest() {
    // MLflow stores NaN as 0, and lets the higher value win.
    let at_once = |value| metric("m", value, 1, 1);
    for (first, second, latest) in [
        (f64::NAN, 0.5, 0.5),
        (0.5, f64::NAN, 0.5),
        (f64::NAN, -0.5, f64::NAN),
        (-0.5, f64::NAN, f64::NAN),
        (0.5, f64::INFINITY, f64::MAX),
        (0.7, 0.5, 0.7),
    ] {
        let (pending, run) = sides(&[at_once(first), at_once(second)], &[]);
        let plan = diff(&pending, None, Some(&run), Direction::Both);
        let (settled, run) = sides(&[], &[at_once(latest)]);
        let next = diff(&settled, Some(&plan.base), Some(&run), Direction::Both);
        assert_eq!(next.pull.points, [], "{first}, then {second}");
    }
}

#[test]
fn a_server_that_fell_behind_the_base_is_pulled_from_once() {
    let (ahead, run) = sides(&[metric("m", 0.9, 9, 9)], &[]);
    let base = diff(&ahead, None, Some(&run), Direction::Both).base;
    let (trial, restored) = sides(&[], &[metric("m", 0.1, 1, 1)]);
    let plan = diff(&trial, Some(&base), Some(&restored), Direction::Both);
    assert_eq!(plan.pull.points, restored.metrics);
    let next = diff(&trial, Some(&plan.base), Some(&restored), Direction::Both);
    assert_eq!(next.pull.points, []);
}
