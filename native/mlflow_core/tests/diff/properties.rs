//! What holds whatever happened to a trial and its run before.

use std::collections::BTreeMap;

use mlflow_core::diff::{Base, Direction};
use mlflow_core::model::{Metric, RunStatus};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::metric;
use super::world::{Change, Event, World, only_params, reserved};

const OURS: [&str; 2] = ["a", "b"];
const THEIRS: [&str; 2] = ["x", "y"];
const ANYBODYS: [&str; 4] = ["a", "b", "x", "mlflow.user"];
const ENDED: [RunStatus; 3] = [RunStatus::Finished, RunStatus::Failed, RunStatus::Killed];

fn text(choices: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(choices).prop_map(str::to_owned)
}

fn point(keys: &'static [&'static str]) -> impl Strategy<Value = Metric> {
    let values = vec![0.5, -1.0, 0.0, f64::NAN, f64::INFINITY, f64::MAX, f64::MIN];
    (select(keys), select(values), 0..3i64, 0..3i64)
        .prop_map(|(key, value, timestamp, step)| metric(key, value, timestamp, step))
}

/// A change of what has a key.
fn keyed(keys: &'static [&'static str]) -> impl Strategy<Value = Change> {
    let value = || text(&["", "1", "1.0", "2", "relu"]);
    prop_oneof![
        (text(keys), value()).prop_map(|(key, value)| Change::SetParam(key, value)),
        (text(keys), value()).prop_map(|(key, value)| Change::SetTag(key, value)),
        text(keys).prop_map(Change::DeleteTag),
        point(keys).prop_map(Change::Record),
    ]
}

fn rename() -> impl Strategy<Value = Change> {
    text(&["one", "two", "three"]).prop_map(Change::Rename)
}

fn progress() -> impl Strategy<Value = Change> {
    prop_oneof![
        (select(&ENDED[..]), prop::option::of(1..4i64))
            .prop_map(|(status, end_time)| Change::End(status, end_time)),
        Just(Change::Restart),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![4 => keyed(&ANYBODYS), 1 => rename(), 2 => progress()]
}

fn direction() -> impl Strategy<Value = Direction> {
    select(vec![Direction::Push, Direction::Pull, Direction::Both])
}

/// A world in which anything may have happened.
fn world() -> impl Strategy<Value = World> {
    let event = prop_oneof![
        3 => change().prop_map(Event::Here),
        3 => change().prop_map(Event::There),
        1 => direction().prop_map(Event::Sync),
        1 => Just(Event::BlindPush),
    ];
    vec(event, 0..30).prop_map(|events| {
        let mut world = World::new();
        events.iter().for_each(|event| world.happen(event));
        world
    })
}

/// Changes of which the trial's and the run's have no field in common.
fn apart() -> impl Strategy<Value = (Vec<Event>, Vec<Event>)> {
    let here = vec(keyed(&OURS).prop_map(Event::Here), 0..6);
    let there = vec(keyed(&THEIRS).prop_map(Event::There), 0..6);
    let scalar = |change: BoxedStrategy<Change>| (prop::option::of(change), any::<bool>());
    (
        here,
        there,
        scalar(rename().boxed()),
        scalar(progress().boxed()),
    )
        .prop_map(|(mut here, mut there, name, progress)| {
            for (change, is_ours) in [name, progress] {
                match (change, is_ours) {
                    (Some(change), true) => here.push(Event::Here(change)),
                    (Some(change), false) => there.push(Event::There(change)),
                    (None, _) => {}
                }
            }
            (here, there)
        })
}

fn after(world: &World, events: &[&[Event]]) -> World {
    let mut world = world.clone();
    for event in events.concat() {
        world.happen(&event);
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn once_both_ways_is_enough(mut world in world()) {
        world.sync(Direction::Both);
        for _ in 0..2 {
            let before = world.clone();
            let plan = world.sync(Direction::Both);
            prop_assert!(plan.push.is_empty(), "{:?}", plan.push);
            prop_assert_eq!(plan.pull, Default::default());
            prop_assert!(only_params(&plan.conflicts), "{:?}", plan.conflicts);
            prop_assert_eq!(&world, &before);
        }
    }

    #[test]
    fn once_both_ways_makes_both_sides_equal(mut world in world()) {
        let conflicts = world.sync(Direction::Both).conflicts;
        let World { trial, run, .. } = &world;
        prop_assert_eq!(&trial.status, &run.status);
        prop_assert_eq!(&trial.name, &run.name);
        let unreserved = |tags: &BTreeMap<String, String>| {
            let mut tags = tags.clone();
            tags.retain(|key, _| !key.starts_with("mlflow."));
            tags
        };
        prop_assert_eq!(unreserved(&trial.tags), unreserved(&run.tags));
        let differing = conflicts.iter().filter(|conflict| conflict.field == "param").count();
        let equal = trial.params.iter().filter(|(key, value)| {
            let stored = &run.params[*key];
            stored == *value || stored.parse::<f64>().is_ok_and(|one| Ok(one) == value.parse())
        }).count();
        prop_assert_eq!(equal + differing, trial.params.len());
    }

    #[test]
    fn no_point_is_lost(mut world in world()) {
        world.sync(Direction::Both);
        prop_assert!(world.stored.is_superset(&world.recorded));
        for latest in &world.run.metrics {
            prop_assert!(world.recorded.contains(latest), "{:?}", latest);
        }
    }

    #[test]
    fn a_push_and_then_a_pull_is_as_good_as_both(world in world()) {
        prop_assume!(only_params(&world.plan(Direction::Both).conflicts));
        // One left over from before a restart counts again once a pull has ended the trial.
        prop_assume!(world.trial.end_time.is_none() || world.trial.status.is_terminal());
        let both = after(&world, &[&[Event::Sync(Direction::Both)]]);
        let mut one_by_one =
            after(&world, &[&[Event::Sync(Direction::Push), Event::Sync(Direction::Pull)]]);
        // Of what is there only the latest point shows, and a push may hide one that was not pulled.
        prop_assert!(one_by_one.recorded.is_subset(&both.recorded));
        one_by_one.recorded.clone_from(&both.recorded);
        prop_assert_eq!(both, one_by_one);
    }

    #[test]
    fn a_push_writes_nothing_here_and_a_pull_nothing_there(world in world()) {
        prop_assert_eq!(world.plan(Direction::Push).pull, Default::default());
        prop_assert!(world.plan(Direction::Pull).push.is_empty());
    }

    #[test]
    fn reserved_tags_are_never_touched(world in world(), direction in direction()) {
        let synced = after(&world, &[&[Event::Sync(direction)]]);
        prop_assert_eq!(reserved(&synced.trial.tags), reserved(&world.trial.tags));
        prop_assert_eq!(reserved(&synced.run.tags), reserved(&world.run.tags));
    }

    #[test]
    fn who_changed_first_makes_no_difference(mut world in world(), (here, there) in apart()) {
        // A trial's param that its run never took would be a change of its own.
        world.trial.params.clear();
        world.sync(Direction::Both);
        let sync = &[Event::Sync(Direction::Both)];
        let at_once = after(&world, &[&here, &there, sync]);
        let here_first = after(&world, &[&here, sync, &there, sync]);
        let there_first = after(&world, &[&there, sync, &here, sync]);
        prop_assert_eq!(&at_once, &here_first);
        prop_assert_eq!(&at_once, &there_first);
        let conflicts = after(&world, &[&here, &there]).plan(Direction::Both).conflicts;
        prop_assert!(only_params(&conflicts), "{:?}", conflicts);
    }

    #[test]
    fn a_base_survives_being_written_and_read(mut world in world()) {
        let base = world.sync(Direction::Both).base;
        prop_assert_eq!(Base::from_json(&base.to_json()), Some(base));
    }
}
