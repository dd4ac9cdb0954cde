use std::sync::Arc;

use mlflow_core::diff::{Base, Direction, Plan};
use mlflow_core::model::{Run, Tag, Trial};

use super::{DIRECTIONS, agreed, diff, map, pulls, pushes, run, trial};

fn sides(here: &[(&str, &str)], there: &[(&str, &str)]) -> (Trial, Run) {
    let (mut trial, mut run) = (trial(), run());
    (trial.tags, run.tags) = (map(here), map(there));
    (trial, run)
}

fn agreed_on(tags: &[(&str, &str)]) -> Arc<Base> {
    let (trial, run) = sides(tags, tags);
    agreed(&trial, &run)
}

fn carries_nothing(plan: &Plan) -> bool {
    plan.push.is_empty() && plan.pull == Default::default() && plan.conflicts.is_empty()
}

#[test]
fn without_a_base_every_tag_is_a_new_one() {
    let (trial, run) = sides(&[("a", "1")], &[("b", "2")]);
    for direction in DIRECTIONS {
        let plan = diff(&trial, None, Some(&run), direction);
        assert_eq!(plan.push.tags.len(), usize::from(pushes(direction)));
        assert_eq!(plan.pull.tags.len(), usize::from(pulls(direction)));
        assert!(plan.push.deleted_tags.is_empty() && plan.pull.deleted_tags.is_empty());
        assert_eq!(plan.conflicts, []);
    }
}

#[test]
fn a_tag_deleted_here_is_deleted_there() {
    let base = agreed_on(&[("k", "v")]);
    let (trial, run) = sides(&[], &[("k", "v")]);
    for direction in DIRECTIONS {
        let plan = diff(&trial, Some(&base), Some(&run), direction);
        let deleted = if pushes(direction) { vec!["k"] } else { vec![] };
        assert_eq!(plan.push.deleted_tags, deleted);
        assert_eq!(plan.pull, Default::default());
        assert_eq!(plan.conflicts, []);

        let there = if pushes(direction) {
            self::run()
        } else {
            run.clone()
        };
        let next = diff(&trial, Some(&plan.base), Some(&there), Direction::Both);
        assert_eq!(next.push.deleted_tags.is_empty(), pushes(direction));
    }
}

#[test]
fn a_tag_deleted_there_is_deleted_here() {
    let base = agreed_on(&[("k", "v")]);
    let (trial, run) = sides(&[("k", "v")], &[]);
    for direction in DIRECTIONS {
        let plan = diff(&trial, Some(&base), Some(&run), direction);
        let deleted = if pulls(direction) { vec!["k"] } else { vec![] };
        assert_eq!(plan.pull.deleted_tags, deleted);
        assert!(plan.push.is_empty());
        assert_eq!(plan.conflicts, []);

        let here = if pulls(direction) {
            self::trial()
        } else {
            trial.clone()
        };
        let next = diff(&here, Some(&plan.base), Some(&run), Direction::Both);
        assert_eq!(next.pull.deleted_tags.is_empty(), pulls(direction));
    }
}

#[test]
fn a_tag_deleted_on_one_side_and_changed_on_the_other_is_a_conflict() {
    let base = agreed_on(&[("k", "v")]);

    let (trial, run) = sides(&[], &[("k", "new")]);
    let plan = diff(&trial, Some(&base), Some(&run), Direction::Both);
    assert_eq!(plan.push.deleted_tags, ["k"]);
    assert_eq!(plan.conflicts[0].local, None);
    assert_eq!(plan.conflicts[0].remote.as_deref(), Some("new"));

    let (trial, run) = sides(&[("k", "new")], &[]);
    let plan = diff(&trial, Some(&base), Some(&run), Direction::Both);
    assert_eq!(plan.push.tags.len(), 1);
    assert_eq!(plan.conflicts[0].local.as_deref(), Some("new"));
    assert_eq!(plan.conflicts[0].remote, None);
}

#[test]
fn a_tag_deleted_on_both_sides_is_forgotten() {
    let base = agreed_on(&[("k", "v")]);
    for direction in DIRECTIONS {
        let plan = diff(&trial(), Some(&base), Some(&run()), direction);
        assert!(carries_nothing(&plan));

        let (trial, run) = sides(&[], &[("k", "v")]);
        let plan = diff(&trial, Some(&plan.base), Some(&run), Direction::Both);
        assert!(
            plan.push.is_empty(),
            "what was tagged anew must not be deleted"
        );
        assert_eq!(plan.pull.tags, map(&[("k", "v")]));
    }
}

#[test]
fn a_tag_deleted_here_is_deleted_by_a_push_that_does_not_look() {
    let base = agreed_on(&[("k", "v")]);
    let plan = diff(&trial(), Some(&base), None, Direction::Push);
    assert_eq!(plan.push.deleted_tags, ["k"]);
    let next = diff(&trial(), Some(&plan.base), None, Direction::Push);
    assert!(next.push.is_empty());
}

#[test]
fn reserved_tags_stay_where_they_are() {
    let base = agreed(&trial(), &run());
    for (here, there) in [
        (&[("mlflow.note.content", "ours")][..], &[][..]),
        (&[], &[("mlflow.user", "ada")]),
        (&[("mlflow.user", "bob")], &[("mlflow.user", "ada")]),
    ] {
        let (trial, run) = sides(here, there);
        for base in [None, Some(&base)] {
            for direction in DIRECTIONS {
                let plan = diff(&trial, base, Some(&run), direction);
                assert!(carries_nothing(&plan));
                assert_eq!(plan.base, agreed(&self::trial(), &self::run()));
            }
        }
    }
}

#[test]
fn a_tag_that_only_looks_reserved_is_not() {
    let (trial, run) = sides(&[("mlflow_x", "1"), ("Mlflow.x", "1")], &[]);
    let plan = diff(&trial, None, Some(&run), Direction::Push);
    assert_eq!(plan.push.tags.len(), 2);
}

#[test]
fn an_empty_tag_is_not_an_absent_one() {
    let (trial, run) = sides(&[("k", "")], &[]);
    let plan = diff(&trial, None, Some(&run), Direction::Push);
    let expected = Tag {
        key: "k".to_owned(),
        value: String::new(),
    };
    assert_eq!(plan.push.tags, [expected]);

    let (trial, run) = sides(&[("k", "")], &[("k", "")]);
    assert!(carries_nothing(&diff(
        &trial,
        Some(&plan.base),
        Some(&run),
        Direction::Both
    )));
}
