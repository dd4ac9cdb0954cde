//! The series that a pull brings beside the latest points.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mlflow_core::ErrorKind;
use mlflow_core::diff::Direction;
use mlflow_core::model::{Metric, MetricValue, Run};
use mlflow_core::sync::{History, Order, Target};
use serde_json::json;

use super::support::{Received, Reply, Server};
use super::{
    LOG_BATCH, RUN, carried_out, client, existing, lines, order, pushed, run_of, run_reply,
    running_trial,
};

const HISTORY: &str = "GET /api/2.0/mlflow/metrics/get-history";

fn point(key: &str, step: i64) -> Metric {
    Metric {
        key: key.to_owned(),
        value: MetricValue(step as f64 / 10.0),
        timestamp: 1500 + step,
        step,
    }
}

fn series(points: &[Metric]) -> Reply {
    Reply::json(json!({"metrics": points}))
}

/// A trial that was pushed with `loss`, and a run on which `loss` and `lr` have gone on since.
fn gone_on() -> (Order, Run) {
    let (trial, base) = pushed(running_trial());
    let mut run = run_of(&running_trial());
    run.metrics = vec![point("loss", 9), point("lr", 5)];
    let mut order = order(trial, Target::Read(Box::new(run.clone())));
    order.direction = Direction::Pull;
    order.base = Some(base);
    order.history = History::Changed;
    (order, run)
}

fn keys_asked_for(requests: &[Received]) -> BTreeSet<String> {
    let histories = requests
        .iter()
        .filter(|got| got.line().starts_with(HISTORY));
    histories
        .filter_map(|got| got.target.split("metric_key=").nth(1))
        .filter_map(|rest| rest.split('&').next())
        .map(str::to_owned)
        .collect()
}

fn keys(keys: &[&str]) -> BTreeSet<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

fn set(points: &[Metric]) -> HashSet<Metric> {
    points.iter().cloned().collect()
}

#[tokio::test]
async fn of_what_changed_the_whole_series_is_pulled() {
    let (order, _) = gone_on();
    let loss = [point("loss", 7), point("loss", 9), point("loss", 8)];
    let replies = [series(&loss), series(&[point("lr", 5)])];
    let (report, requests) = carried_out(order, replies).await;
    assert_eq!(report.error, None);
    assert_eq!(keys_asked_for(&requests), keys(&["loss", "lr"]));
    let expected = [&loss[..], &[point("lr", 5)]].concat();
    assert_eq!(set(&report.plan.pull.points), set(&expected));
    assert_eq!(report.plan.pull.points.len(), expected.len());
    assert_eq!(report.plan.base.metrics["loss"], point("loss", 9));
    assert_eq!((report.requests.reads, report.requests.writes), (2, 0));
}

#[tokio::test]
async fn what_did_not_change_is_asked_for_only_where_late_points_count() {
    for (history, asked) in [
        (History::Changed, keys(&[])),
        (History::All, keys(&["loss"])),
    ] {
        let (trial, base) = pushed(running_trial());
        let run = run_of(&running_trial());
        let mut order = order(trial, Target::Read(Box::new(run)));
        order.direction = Direction::Both;
        order.base = Some(base);
        order.history = history;
        let late = point("loss", 1);
        let replies = [series(&[late.clone(), running_trial().points.remove(0)])];
        let replies = replies.into_iter().take(asked.len());
        let (report, requests) = carried_out(order, replies).await;
        assert_eq!(keys_asked_for(&requests), asked);
        assert_eq!(report.plan.pull.points.contains(&late), !asked.is_empty());
        assert!(report.plan.push.is_empty());
    }
}

#[tokio::test]
async fn a_pull_that_asks_for_no_history_has_the_latest_points() {
    let (mut order, run) = gone_on();
    order.history = History::None;
    let (report, requests) = carried_out(order, []).await;
    assert_eq!(lines(&requests), [""; 0]);
    assert_eq!(report.plan.pull.points, run.metrics);
}

#[tokio::test]
async fn a_push_asks_for_no_history() {
    let (mut order, _) = gone_on();
    order.direction = Direction::Push;
    order.history = History::All;
    let (report, requests) = carried_out(order, []).await;
    assert_eq!(lines(&requests), [""; 0]);
    assert_eq!(report.error, None);
}

#[tokio::test]
async fn the_trials_own_points_do_not_come_back() {
    let (mut order, _) = gone_on();
    order.direction = Direction::Both;
    order.trial.points = vec![point("loss", 3), point("loss", 10)];
    let replies = [
        series(&[point("loss", 3), point("loss", 9)]),
        series(&[point("lr", 5)]),
        Reply::done(),
    ];
    let (report, requests) = carried_out(order, replies).await;
    assert_eq!(report.error, None);
    assert_eq!(lines(&requests)[2], LOG_BATCH, "read before it is written");
    assert!(!report.plan.pull.points.contains(&point("loss", 3)));
    assert_eq!(report.plan.pull.points.len(), 2);
}

#[tokio::test]
async fn a_latest_point_that_its_history_lacks_is_kept() {
    let (order, run) = gone_on();
    let (report, _) = carried_out(order, [series(&[]), series(&[])]).await;
    assert_eq!(set(&report.plan.pull.points), set(&run.metrics));
}

#[tokio::test]
async fn where_one_history_cannot_be_read_nothing_is_agreed_on_and_nothing_written() {
    let (mut order, _) = gone_on();
    order.direction = Direction::Both;
    order.trial.tags.insert("team".to_owned(), "a".to_owned());
    let base = Arc::clone(order.base.as_ref().unwrap());
    let refusal = Reply::error(403, "PERMISSION_DENIED", "no");
    let replies = [series(&[point("loss", 9)]), refusal];
    let (report, requests) = carried_out(order, replies).await;
    assert_eq!(keys_asked_for(&requests).len(), requests.len(), "no write");
    assert_eq!(report.error.unwrap().kind, ErrorKind::Forbidden);
    assert_eq!(report.plan.base, base);
    assert_eq!(report.plan.pull, Default::default());
    assert!(report.run.is_some(), "what was seen is told all the same");
}

#[tokio::test]
async fn where_the_push_fails_nothing_is_agreed_on() {
    let (mut order, _) = gone_on();
    order.direction = Direction::Both;
    order.trial.points = vec![point("loss", 10)];
    let base = Arc::clone(order.base.as_ref().unwrap());
    let refusal = Reply::error(403, "PERMISSION_DENIED", "no");
    let (report, _) = carried_out(order, [series(&[]), series(&[]), refusal]).await;
    assert_eq!(report.error.unwrap().kind, ErrorKind::Forbidden);
    assert_eq!(report.plan.base, base);
}

#[tokio::test]
async fn a_run_that_is_read_first_gives_its_histories_too() {
    let (mut order, run) = gone_on();
    order.target = existing();
    let replies = [run_reply(&run), series(&[]), series(&[])];
    let (report, requests) = carried_out(order, replies).await;
    assert_eq!(report.error, None);
    assert_eq!(requests.len(), 3);
}

#[tokio::test]
async fn histories_come_a_few_at_a_time() {
    const DELAY: Duration = Duration::from_millis(20);
    let names: Vec<String> = (0..9).map(|key| format!("m{key}")).collect();
    let replies = (0..9).map(|step| series(&[point("m", step)]).after(DELAY));
    let server = Server::start(replies).await;
    let start = Instant::now();
    let points = client(server.uri())
        .get_metric_histories(RUN, names.clone())
        .await;
    assert!(
        start.elapsed() >= DELAY * 3,
        "four at once are three rounds"
    );
    assert_eq!(points.unwrap().len(), 9);
    assert_eq!(
        keys_asked_for(&server.finish()),
        names.into_iter().collect()
    );
}

#[tokio::test]
async fn no_key_is_no_request() {
    let server = Server::start([]).await;
    let points = client(server.uri()).get_metric_histories(RUN, vec![]).await;
    assert_eq!(points.unwrap(), []);
    server.finish();
}
