//! What holds for every field that both sides can change: name, status, end time and tags.

use mlflow_core::diff::{Direction, Plan, Winner};
use mlflow_core::model::{Run, RunStatus, Trial};

use super::{DIRECTIONS, agreed, diff, pulls, pushes, run, trial};

/// One field: how to set it on either side, and where a plan holds it.
struct Field {
    name: &'static str,
    key: Option<&'static str>,
    /// A value before, one that the trial changes it to, and one that the run changes it to.
    values: [&'static str; 3],
    set_here: fn(&mut Trial, &str),
    set_there: fn(&mut Run, &str),
    pushed: fn(&Plan) -> Option<String>,
    pulled: fn(&Plan) -> Option<String>,
}

const FIELDS: [Field; 4] = [
    Field {
        name: "name",
        key: None,
        values: ["old", "here", "there"],
        set_here: |trial, value| trial.name = Some(value.to_owned()),
        set_there: |run, value| run.name = Some(value.to_owned()),
        pushed: |plan| plan.push.update.run_name.clone(),
        pulled: |plan| plan.pull.name.clone(),
    },
    Field {
        name: "status",
        key: None,
        values: ["RUNNING", "FINISHED", "FAILED"],
        set_here: |trial, value| trial.status = status(value),
        set_there: |run, value| run.status = status(value),
        pushed: |plan| plan.push.update.status.clone().map(String::from),
        pulled: |plan| plan.pull.status.clone().map(String::from),
    },
    Field {
        name: "end_time",
        key: None,
        values: ["5", "6", "7"],
        set_here: |trial, value| {
            trial.status = RunStatus::Finished;
            trial.end_time = value.parse().ok();
        },
        set_there: |run, value| {
            run.status = RunStatus::Finished;
            run.end_time = value.parse().ok();
        },
        pushed: |plan| plan.push.update.end_time.map(|time| time.to_string()),
        pulled: |plan| plan.pull.end_time.map(|time| time.to_string()),
    },
    Field {
        name: "tag",
        key: Some("k"),
        values: ["old", "here", "there"],
        set_here: |trial, value| {
            trial.tags.insert("k".to_owned(), value.to_owned());
        },
        set_there: |run, value| {
            run.tags.insert("k".to_owned(), value.to_owned());
        },
        pushed: |plan| plan.push.tags.first().map(|tag| tag.value.clone()),
        pulled: |plan| plan.pull.tags.get("k").cloned(),
    },
];

fn status(name: &str) -> RunStatus {
    RunStatus::from(name.to_owned())
}

impl Field {
    fn sides(&self, here: &str, there: &str) -> (Trial, Run) {
        let (mut trial, mut run) = (trial(), run());
        (self.set_here)(&mut trial, here);
        (self.set_there)(&mut run, there);
        (trial, run)
    }

    /// What goes which way, and that nothing else does.
    #[track_caller]
    fn expect(&self, plan: &Plan, pushed: Option<&str>, pulled: Option<&str>) {
        assert_eq!((self.pushed)(plan).as_deref(), pushed, "{}", self.name);
        assert_eq!((self.pulled)(plan).as_deref(), pulled, "{}", self.name);
        if pushed.is_none() {
            assert!(plan.push.is_empty(), "{}: {:?}", self.name, plan.push);
        }
        if pulled.is_none() {
            assert_eq!(plan.pull, Default::default(), "{}", self.name);
        }
    }

    #[track_caller]
    fn expect_conflict(&self, plan: &Plan, here: &str, there: &str) {
        let [conflict] = &plan.conflicts[..] else {
            panic!("{}: {:?}", self.name, plan.conflicts);
        };
        assert_eq!(conflict.field, self.name);
        assert_eq!(conflict.key.as_deref(), self.key);
        assert_eq!(conflict.local.as_deref(), Some(here));
        assert_eq!(conflict.remote.as_deref(), Some(there));
        assert_eq!(conflict.winner, Winner::Local);
    }
}

#[test]
fn what_nobody_changed_goes_nowhere() {
    for field in FIELDS {
        let [old, ..] = field.values;
        let (trial, run) = field.sides(old, old);
        let base = agreed(&trial, &run);
        for direction in DIRECTIONS {
            for plan in [
                diff(&trial, None, Some(&run), direction),
                diff(&trial, Some(&base), Some(&run), direction),
                diff(&trial, Some(&base), None, direction),
            ] {
                field.expect(&plan, None, None);
                assert_eq!(plan.conflicts, []);
                assert_eq!(plan.base, base);
            }
        }
    }
}

#[test]
fn what_changed_here_is_pushed_or_stays_to_be_pushed() {
    for field in FIELDS {
        let [old, new, _] = field.values;
        let (before, run) = field.sides(old, old);
        let base = agreed(&before, &run);
        let (trial, run) = field.sides(new, old);
        for direction in DIRECTIONS {
            let plan = diff(&trial, Some(&base), Some(&run), direction);
            field.expect(&plan, pushes(direction).then_some(new), None);
            assert_eq!(plan.conflicts, []);

            let (_, pushed_run) = field.sides(new, if pushes(direction) { new } else { old });
            let next = diff(&trial, Some(&plan.base), Some(&pushed_run), Direction::Both);
            field.expect(&next, (!pushes(direction)).then_some(new), None);
            assert_eq!(next.conflicts, []);
        }
    }
}

#[test]
fn what_changed_there_is_pulled_or_stays_to_be_pulled() {
    for field in FIELDS {
        let [old, _, new] = field.values;
        let (before, run) = field.sides(old, old);
        let base = agreed(&before, &run);
        let (trial, run) = field.sides(old, new);
        for direction in DIRECTIONS {
            let plan = diff(&trial, Some(&base), Some(&run), direction);
            field.expect(&plan, None, pulls(direction).then_some(new));
            assert_eq!(plan.conflicts, []);

            let (pulled_trial, _) = field.sides(if pulls(direction) { new } else { old }, new);
            let next = diff(&pulled_trial, Some(&plan.base), Some(&run), Direction::Both);
            field.expect(&next, None, (!pulls(direction)).then_some(new));
            assert_eq!(next.conflicts, []);
        }
    }
}

#[test]
fn what_changed_on_both_sides_is_a_conflict_that_the_trial_wins_once_it_is_pushed() {
    for field in FIELDS {
        let [old, here, there] = field.values;
        let (before, run) = field.sides(old, old);
        let base = agreed(&before, &run);
        let (trial, run) = field.sides(here, there);
        for base in [None, Some(&base)] {
            for direction in DIRECTIONS {
                let plan = diff(&trial, base, Some(&run), direction);
                field.expect(&plan, pushes(direction).then_some(here), None);
                field.expect_conflict(&plan, here, there);

                let is_settled = pushes(direction);
                let (_, pushed_run) = field.sides(here, if is_settled { here } else { there });
                let next = diff(&trial, Some(&plan.base), Some(&pushed_run), Direction::Both);
                field.expect(&next, (!is_settled).then_some(here), None);
                assert_eq!(next.conflicts.is_empty(), is_settled, "{}", field.name);
            }
        }
    }
}

#[test]
fn the_same_change_on_both_sides_is_agreed_on() {
    for field in FIELDS {
        let [old, new, _] = field.values;
        let (before, run) = field.sides(old, old);
        let base = agreed(&before, &run);
        let (trial, run) = field.sides(new, new);
        for direction in DIRECTIONS {
            let plan = diff(&trial, Some(&base), Some(&run), direction);
            field.expect(&plan, None, None);
            assert_eq!(plan.conflicts, []);
            assert_eq!(plan.base, agreed(&trial, &run));
        }
    }
}

#[test]
fn without_a_run_a_push_compares_with_what_was_agreed() {
    for field in FIELDS {
        let [old, new, _] = field.values;
        let (before, run) = field.sides(old, old);
        let base = agreed(&before, &run);
        let (trial, run) = field.sides(new, new);
        let plan = diff(&trial, Some(&base), None, Direction::Push);
        field.expect(&plan, Some(new), None);
        assert_eq!(plan.base, agreed(&trial, &run));
    }
}

#[test]
fn a_change_that_was_not_pulled_is_not_overwritten_by_a_push_that_does_not_look() {
    for field in FIELDS {
        let [old, _, new] = field.values;
        let (trial, run) = field.sides(old, old);
        let base = agreed(&trial, &run);
        let (_, run) = field.sides(old, new);
        let looked = diff(&trial, Some(&base), Some(&run), Direction::Push);
        let blind = diff(&trial, Some(&looked.base), None, Direction::Push);
        field.expect(&blind, None, None);
    }
}
