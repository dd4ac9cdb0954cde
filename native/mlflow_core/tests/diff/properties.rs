//! What holds whatever happened to a trial and its run before.

use std::collections::{BTreeMap, BTreeSet};

use mlflow_core::diff::{Base, Direction, ParamPolicy, Policy, Side};
use mlflow_core::model::{Metric, RunStatus};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::metric;
use super::world::{Change, Event, World, is_theirs, only_params, reserved};

const OURS: [&str; 2] = ["a", "b"];
const THEIRS: [&str; 2] = ["x", "y"];
const ANYBODYS: [&str; 4] = ["a", "b", "x", "mlflow.user"];
const PARAM_TAG: &str = "our_param.";
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

/// Where a trial began, and where it keeps its artifacts.
fn origin() -> impl Strategy<Value = Change> {
    prop_oneof![
        prop::option::of(1..3i64).prop_map(Change::Start),
        prop::option::of(text(&["here", "there"])).prop_map(Change::Place),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![4 => keyed(&ANYBODYS), 1 => rename(), 2 => progress(), 1 => origin()]
}

fn policy() -> impl Strategy<Value = Policy> {
    let side = || select(vec![Side::Local, Side::Remote, Side::Newest]);
    let params = vec![
        ParamPolicy::KeepRemote,
        ParamPolicy::Tag,
        ParamPolicy::NewRun,
    ];
    (
        side(),
        side(),
        side(),
        side(),
        side(),
        side(),
        select(params),
    )
        .prop_map(
            |(status, times, name, metrics, tags, artifact_uri, params)| Policy {
                status,
                times,
                name,
                metrics,
                tags,
                artifact_uri,
                params,
                param_tag_prefix: PARAM_TAG.to_owned(),
            },
        )
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
    (vec(event, 0..30), policy(), prop::option::of(0..4i64)).prop_map(
        |(events, policy, version)| {
            let mut world = World::new(policy, version);
            events.iter().for_each(|event| world.happen(event));
            world
        },
    )
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
        max_global_rejects: 10_000,
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
            tags.retain(|key, _| !key.starts_with("mlflow.") && !key.starts_with(PARAM_TAG));
            tags
        };
        if let (true, Some(ours), Some(theirs)) =
            (run.status.is_terminal(), trial.end_time, run.end_time)
        {
            prop_assert_eq!(ours, theirs);
        }
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
    fn in_two_steps_it_comes_to_the_same(world in world()) {
        let plan = world.plan(Direction::Both);
        // What a pull took from the old run stays in the trial.
        prop_assume!(!plan.new_run);
        // One left over from before a restart counts again once the other side's end has come.
        prop_assume!(world.trial.end_time.is_none() || world.trial.status.is_terminal());
        prop_assume!(world.run.end_time.is_none() || world.run.status.is_terminal());
        let (push, pull) = (Event::Sync(Direction::Push), Event::Sync(Direction::Pull));
        let both = after(&world, &[&[Event::Sync(Direction::Both)]]);
        for steps in [[push.clone(), pull.clone()], [pull, push]] {
            let mut in_steps = after(&world, &[&steps]);
            // Of what is there only the latest point shows, and a push may hide one that was not
            // pulled; or it leaves one that the next pull takes for news.
            prop_assert!(in_steps.recorded.is_subset(&both.recorded));
            in_steps.recorded.clone_from(&both.recorded);
            in_steps.values.clone_from(&both.values);
            prop_assert_eq!(&both, &in_steps);
        }
    }

    #[test]
    fn what_the_run_wins_is_not_pushed_over(world in world()) {
        let plan = world.plan(Direction::Push);
        prop_assume!(!plan.new_run);
        let pushed = after(&world, &[&[Event::Sync(Direction::Push)]]);
        for conflict in plan.conflicts.iter().filter(is_theirs) {
            let key = conflict.key.as_deref().unwrap_or_default();
            match conflict.field {
                "name" => prop_assert_eq!(&pushed.run.name, &world.run.name),
                "status" => prop_assert_eq!(&pushed.run.status, &world.run.status),
                "end_time" => prop_assert_eq!(&pushed.run.end_time, &world.run.end_time),
                "tag" => prop_assert_eq!(pushed.run.tags.get(key), world.run.tags.get(key)),
                "param" => prop_assert_eq!(pushed.run.params.get(key), world.run.params.get(key)),
                _ => continue,
            }
        }
        let stays = |field: &str| !["param", "metric", "start_time", "artifact_uri"].contains(&field);
        let is_contested = plan.conflicts.iter().filter(is_theirs).any(|c| stays(c.field));
        prop_assert_eq!(plan.base.is_contested, is_contested);
        prop_assert_eq!(pushed.plan(Direction::Push).conflicts.iter().filter(is_theirs)
            .filter(|conflict| stays(conflict.field)).count(),
            plan.conflicts.iter().filter(is_theirs).filter(|c| stays(c.field)).count());
    }

    #[test]
    fn a_conflict_is_told_once(world in world(), direction in direction()) {
        let conflicts = world.plan(direction).conflicts;
        let distinct: BTreeSet<_> =
            conflicts.iter().map(|conflict| (conflict.field, &conflict.key)).collect();
        prop_assert_eq!(distinct.len(), conflicts.len());
    }

    #[test]
    fn both_sides_get_what_the_policy_says(world in world()) {
        let plan = world.plan(Direction::Both);
        let synced = after(&world, &[&[Event::Sync(Direction::Both)]]);
        prop_assume!(!plan.new_run);
        for conflict in &plan.conflicts {
            let key = conflict.key.as_deref().unwrap_or_default();
            let value = if is_theirs(&conflict) { &conflict.remote } else { &conflict.local };
            let held = match conflict.field {
                "name" => synced.trial.name.clone(),
                "status" => Some(synced.trial.status.to_string()),
                "end_time" => synced.trial.end_time.map(|time| time.to_string()),
                "start_time" => synced.trial.start_time.map(|time| time.to_string()),
                "artifact_uri" => synced.trial.artifact_uri.clone(),
                "tag" => synced.trial.tags.get(key).cloned(),
                "metric" if is_theirs(&conflict) => synced.values.get(key).map(|v| v.to_string()),
                _ => continue,
            };
            prop_assert_eq!(&held, value, "{:?}", conflict);
        }
    }

    #[test]
    fn params_that_differ_are_kept_beside_the_runs(mut world in world()) {
        world.policy.params = ParamPolicy::Tag;
        let conflicts = world.sync(Direction::Both).conflicts;
        let differing = conflicts.iter().filter(|conflict| conflict.field == "param")
            .map(|conflict| (
                format!("{PARAM_TAG}{}", conflict.key.clone().unwrap()),
                conflict.local.clone().unwrap(),
            ));
        let kept = world.run.tags.iter().filter(|(key, _)| key.starts_with(PARAM_TAG));
        let kept: BTreeMap<_, _> = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
        prop_assert_eq!(kept, differing.collect());
        prop_assert!(!world.trial.tags.keys().any(|key| key.starts_with(PARAM_TAG)));
    }

    #[test]
    fn a_new_run_takes_every_param(mut world in world()) {
        world.policy.params = ParamPolicy::NewRun;
        let plan = world.sync(Direction::Both);
        prop_assert!(!plan.conflicts.iter().any(|conflict| conflict.field == "param"));
    }

    #[test]
    fn a_push_writes_nothing_here_and_a_pull_nothing_there(world in world()) {
        prop_assert_eq!(world.plan(Direction::Push).pull, Default::default());
        prop_assert!(world.plan(Direction::Pull).push.is_empty());
    }

    #[test]
    fn reserved_tags_are_never_touched(world in world(), direction in direction()) {
        prop_assume!(!world.plan(direction).new_run);
        let synced = after(&world, &[&[Event::Sync(direction)]]);
        prop_assert_eq!(reserved(&synced.trial.tags), reserved(&world.trial.tags));
        prop_assert_eq!(reserved(&synced.run.tags), reserved(&world.run.tags));
    }

    #[test]
    fn who_changed_first_makes_no_difference(mut world in world(), (here, there) in apart()) {
        // A trial's param that its run never took would be a change of its own.
        world.trial.params.clear();
        // What happens to a run that has been left for a new one happens to nobody.
        if world.policy.params == ParamPolicy::NewRun {
            world.policy.params = ParamPolicy::Tag;
        }
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
        let read = Base::from_json(&base.to_json());
        prop_assert_eq!(read.as_ref(), Some(base.as_ref()));
    }
}
