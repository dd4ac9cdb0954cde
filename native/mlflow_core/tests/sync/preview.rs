//! What would be done, found out without doing it.

use std::collections::BTreeMap;

use mlflow_core::diff::{Direction, ParamPolicy};
use mlflow_core::model::{LifecycleStage, Metric, Run, RunStatus};
use mlflow_core::sync::{Change, History, Order, Preview, Target, Way, preview};
use mlflow_core::{ErrorKind, Result};
use serde_json::json;

use super::support::{Received, Reply, Server};
use super::{
    GET, RUN, SEARCH, client, existing, finished_trial, lines, new_run, order, our_tag, pushed,
    run_json, run_of, run_reply, running_trial,
};

async fn previewed(
    order: Order,
    replies: impl IntoIterator<Item = Reply>,
) -> (Result<Preview>, Vec<Received>) {
    let server = Server::start(replies).await;
    let preview = preview(&client(server.uri()), order).await;
    (preview, server.finish())
}

/// As `+ field key: from -> to`, where `+` is pushed and `-` is pulled.
fn told(preview: &Preview) -> Vec<String> {
    let tell = |change: &Change| {
        let way = if change.way == Way::Push { '+' } else { '-' };
        let or_none = |value: &Option<String>| value.clone().unwrap_or("none".to_owned());
        let key = change
            .key
            .as_ref()
            .map(|key| format!(" {key}"))
            .unwrap_or_default();
        let (from, to) = (or_none(&change.from), or_none(&change.to));
        format!("{way} {}{key}: {from} -> {to}", change.field)
    };
    preview.changes.iter().map(tell).collect()
}

#[tokio::test]
async fn a_trial_without_a_run_would_get_one_with_everything() {
    let (preview, requests) = previewed(order(finished_trial(), new_run()), []).await;
    let preview = preview.unwrap();
    assert_eq!(lines(&requests), [""; 0]);
    assert!(preview.creates);
    assert_eq!(preview.run_id, None);
    assert_eq!(
        told(&preview),
        [
            "+ start_time: none -> 1000",
            "+ name: none -> first",
            "+ status: none -> FINISHED",
            "+ end_time: none -> 2000",
            "+ param lr: none -> 0.1",
            "+ tag trial_id: none -> t1",
            "+ metric loss: none -> 1 point, latest 0.5 at step 3",
        ]
    );
}

#[tokio::test]
async fn both_ways_every_change_is_told_with_what_was_there() {
    let (mut trial, base) = pushed(running_trial());
    trial.name = Some("second".to_owned());
    trial.tags.insert("old".to_owned(), "ours".to_owned());
    trial.points = (4..16)
        .map(|step| Metric {
            step,
            ..running_trial().points.remove(0)
        })
        .collect();
    let mut run = run_of(&running_trial());
    run.status = RunStatus::Killed;
    run.end_time = Some(3000);
    run.tags.insert("team".to_owned(), "a".to_owned());
    run.tags.remove("trial_id");
    run.params.insert("depth".to_owned(), "3".to_owned());
    run.artifact_uri = Some("s3://there".to_owned());
    let mut order = order(trial, existing());
    (order.direction, order.base) = (Direction::Both, Some(base));
    let (preview, requests) = previewed(order, [run_reply(&run)]).await;
    let preview = preview.unwrap();
    assert_eq!(lines(&requests), [GET], "nothing is written");
    assert_eq!(
        (preview.creates, preview.run_id.as_deref()),
        (false, Some(RUN))
    );
    assert_eq!(preview.requests.reads, 1);
    assert_eq!(
        told(&preview),
        [
            "+ name: first -> second",
            "+ tag old: none -> ours",
            "+ metric loss: none -> 12 points, latest 0.5 at step 15",
            "- status: RUNNING -> KILLED",
            "- end_time: none -> 3000",
            "- param depth: none -> 3",
            "- tag team: none -> a",
            "- tag trial_id: t1 -> none",
        ]
    );
}

#[tokio::test]
async fn what_is_in_step_needs_no_request_and_shows_no_change() {
    let (trial, base) = pushed(finished_trial());
    let mut order = order(trial, existing());
    order.base = Some(base);
    let (preview, _) = previewed(order, []).await;
    let preview = preview.unwrap();
    assert_eq!(preview.run_id.as_deref(), Some(RUN));
    assert_eq!((preview.creates, told(&preview)), (false, vec![]));
}

#[tokio::test]
async fn conflicts_are_told_with_their_winners() {
    let (mut trial, base) = pushed(running_trial());
    trial.name = Some("second".to_owned());
    let run = Run {
        name: Some("third".to_owned()),
        ..run_of(&running_trial())
    };
    let mut order = order(trial, existing());
    order.base = Some(base);
    let (preview, requests) = previewed(order, [run_reply(&run)]).await;
    let preview = preview.unwrap();
    assert_eq!(lines(&requests), [GET]);
    assert_eq!(preview.conflicts.len(), 1);
    assert_eq!(told(&preview), ["+ name: third -> second"]);
}

#[tokio::test]
async fn a_run_that_may_be_there_is_looked_for_and_not_waited_for() {
    let target = Target::Unknown {
        experiment_id: "7".to_owned(),
        tag: our_tag(),
        settling: std::time::Duration::from_secs(3600),
    };
    let bare = Run {
        params: BTreeMap::new(),
        metrics: vec![],
        ..run_of(&running_trial())
    };
    for runs in [vec![], vec![run_json(&bare)]] {
        let is_there = !runs.is_empty();
        let order = order(running_trial(), target.clone());
        let (preview, requests) = previewed(order, [Reply::json(json!({"runs": runs}))]).await;
        let preview = preview.unwrap();
        assert_eq!(lines(&requests), [SEARCH]);
        assert_eq!(preview.creates, !is_there);
        assert_eq!(preview.run_id.is_some(), is_there);
        assert!(told(&preview).contains(&"+ param lr: none -> 0.1".to_owned()));
    }
}

#[tokio::test]
async fn a_new_run_in_place_of_the_old_one_shows_what_becomes_of_the_tag() {
    let mut run = run_of(&running_trial());
    run.params.insert("lr".to_owned(), "0.2".to_owned());
    let mut order = order(running_trial(), Target::Read(Box::new(run)));
    order.policy.params = ParamPolicy::NewRun;
    let (preview, _) = previewed(order, []).await;
    let preview = preview.unwrap();
    assert!(preview.creates);
    assert_eq!(preview.run_id.as_deref(), Some(RUN));
    assert_eq!(
        told(&preview),
        [
            "+ tag trial_id_superseded: none -> t1",
            "+ tag trial_id: t1 -> none"
        ]
    );
    assert_eq!(preview.conflicts.len(), 1);
}

#[tokio::test]
async fn histories_are_counted() {
    let (trial, base) = pushed(running_trial());
    let mut run = run_of(&running_trial());
    run.metrics[0].step = 9;
    let latest = run.metrics[0].clone();
    let mut order = order(trial, Target::Read(Box::new(run)));
    (order.direction, order.base) = (Direction::Pull, Some(base));
    order.history = History::Changed;
    let earlier = Metric {
        step: 8,
        ..latest.clone()
    };
    let history = Reply::json(json!({"metrics": [earlier, latest]}));
    let (preview, _) = previewed(order, [history]).await;
    let expected = ["- metric loss: none -> 2 points, latest 0.5 at step 9"];
    assert_eq!(told(&preview.unwrap()), expected);
}

#[tokio::test]
async fn what_could_not_be_carried_out_is_an_error() {
    let mut too_long = finished_trial();
    too_long.tags.insert("long".to_owned(), "x".repeat(8001));
    let deleted = Run {
        lifecycle_stage: LifecycleStage::Deleted,
        ..run_of(&finished_trial())
    };
    let gone = Reply::error(404, "RESOURCE_DOES_NOT_EXIST", "no such run");
    for (order, replies, kind) in [
        (order(too_long, new_run()), vec![], ErrorKind::Invalid),
        (
            order(finished_trial(), Target::Read(Box::new(deleted))),
            vec![],
            ErrorKind::NotFound,
        ),
        (
            order(finished_trial(), existing()),
            vec![gone],
            ErrorKind::NotFound,
        ),
    ] {
        let (preview, _) = previewed(order, replies).await;
        assert_eq!(preview.unwrap_err().kind, kind);
    }
}
