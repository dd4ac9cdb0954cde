use mlflow_core::diff::{Conflict, Direction, Winner};
use mlflow_core::model::{Param, Run, Trial};

use super::{DIRECTIONS, agreed, diff, map, pulls, pushes, run, trial};

fn sides(here: &[(&str, &str)], there: &[(&str, &str)]) -> (Trial, Run) {
    let (mut trial, mut run) = (trial(), run());
    (trial.params, run.params) = (map(here), map(there));
    (trial, run)
}

fn param(key: &str, value: &str) -> Param {
    Param {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

#[test]
fn a_param_that_one_side_lacks_is_given_to_it_or_stays_to_be_given() {
    let empty = agreed(&trial(), &run());
    for base in [None, Some(&empty)] {
        for direction in DIRECTIONS {
            let (trial, run) = sides(&[("a", "1")], &[("b", "2")]);
            let plan = diff(&trial, base, Some(&run), direction);
            let carried = |yes: bool, param| if yes { vec![param] } else { vec![] };
            assert_eq!(
                plan.push.params,
                carried(pushes(direction), param("a", "1"))
            );
            assert_eq!(!plan.pull.params.is_empty(), pulls(direction));

            let next = diff(&trial, Some(&plan.base), Some(&run), Direction::Both);
            assert_eq!(!next.pull.params.is_empty(), !pulls(direction));
        }
    }
}

#[test]
fn a_differing_param_is_a_conflict_that_the_run_wins_without_a_request() {
    let (before, agreed_run) = sides(&[("lr", "0.2")], &[("lr", "0.2")]);
    let base = agreed(&before, &agreed_run);
    let (trial, run) = sides(&[("lr", "0.1")], &[("lr", "0.2")]);
    let expected = Conflict {
        field: "param",
        key: Some("lr".to_owned()),
        local: Some("0.1".to_owned()),
        remote: Some("0.2".to_owned()),
        winner: Winner::Remote,
    };
    for direction in DIRECTIONS {
        for (base, run) in [
            (None, Some(&run)),
            (Some(&base), Some(&run)),
            (Some(&base), None),
        ] {
            let plan = diff(&trial, base, run, direction);
            assert!(plan.push.is_empty());
            assert_eq!(plan.pull, Default::default());
            assert_eq!(plan.conflicts, std::slice::from_ref(&expected));

            let next = diff(&trial, Some(&plan.base), run, direction);
            assert_eq!(next.conflicts, plan.conflicts);
            assert_eq!(next.base, plan.base);
        }
    }
}

#[test]
fn another_spelling_of_the_same_number_is_no_difference() {
    let (trial, run) = sides(
        &[("a", "1"), ("b", "0.00001"), ("c", "inf")],
        &[
            ("a", "1.0"),
            ("b", "1e-05"),
            ("c", "1.7976931348623157e308"),
        ],
    );
    let plan = diff(&trial, None, Some(&run), Direction::Both);
    assert!(plan.push.is_empty());
    assert_eq!(plan.pull, Default::default());
    assert_eq!(plan.conflicts, []);
}

#[test]
fn a_param_that_is_gone_from_the_trial_is_not_forced_back_on_it() {
    let (before, run) = sides(&[("a", "1")], &[("a", "1")]);
    let base = agreed(&before, &run);
    let plan = diff(&trial(), Some(&base), Some(&run), Direction::Both);
    assert!(plan.push.is_empty());
    assert_eq!(plan.pull, Default::default());
}

#[test]
fn an_empty_value_is_a_value() {
    let (trial, run) = sides(&[("a", "")], &[]);
    let plan = diff(&trial, None, Some(&run), Direction::Push);
    assert_eq!(plan.push.params, [param("a", "")]);
    let (trial, run) = sides(&[("a", "")], &[("a", "0")]);
    assert_eq!(
        diff(&trial, None, Some(&run), Direction::Both)
            .conflicts
            .len(),
        1
    );
}
