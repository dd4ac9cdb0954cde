//! A trial whose params are no longer those of its run.

use mlflow_core::ErrorKind;
use mlflow_core::diff::{Direction, ParamPolicy, Policy, Winner};
use mlflow_core::model::Run;
use mlflow_core::sync::{Creation, Order, Target};
use serde_json::json;

use super::support::Reply;
use super::{
    DELETE_TAG, GET, LOG_BATCH, OTHER_RUN, RUN, carried_out, created, existing, finished_trial,
    lines, new_run, order, our_tag, pushed, run_of, run_reply, running_trial,
};

fn policy() -> Policy {
    Policy {
        params: ParamPolicy::NewRun,
        ..Policy::default()
    }
}

fn with_another_param() -> Run {
    let mut run = run_of(&running_trial());
    run.params.insert("lr".to_owned(), "0.2".to_owned());
    run
}

fn conflicting() -> Order {
    let mut order = order(
        finished_trial(),
        Target::Read(Box::new(with_another_param())),
    );
    order.policy = policy();
    order
}

#[tokio::test]
async fn a_run_with_another_param_loses_our_tag_and_nothing_else() {
    for direction in [Direction::Push, Direction::Both] {
        let mut order = conflicting();
        order.direction = direction;
        let (report, requests) = carried_out(order, [Reply::done(), Reply::done()]).await;
        assert_eq!(lines(&requests), [LOG_BATCH, DELETE_TAG]);
        assert_eq!(
            requests[0].json(),
            json!({
                "run_id": RUN, "params": [], "metrics": [],
                "tags": [{"key": "trial_id_superseded", "value": "t1"}]
            })
        );
        assert_eq!(
            requests[1].json(),
            json!({"run_id": RUN, "key": "trial_id"})
        );
        assert_eq!(report.error, None);
        assert_eq!(report.superseded.as_deref(), Some(RUN));
        assert_eq!(report.run_id, None);
        assert_eq!(report.creation, Creation::NotNeeded);
        assert_eq!(report.plan.conflicts.len(), 1);
        assert_eq!(report.plan.conflicts[0].winner, Winner::Local);
        assert_eq!(report.plan.pull, Default::default());
    }
}

#[tokio::test]
async fn a_pull_leaves_the_run_its_tag() {
    let mut order = conflicting();
    order.direction = Direction::Pull;
    let (report, requests) = carried_out(order, []).await;
    assert_eq!(lines(&requests), [""; 0]);
    assert_eq!(report.superseded, None);
    assert_eq!(report.run_id.as_deref(), Some(RUN));
}

#[tokio::test]
async fn what_failed_half_way_is_done_again() {
    let refusal = Reply::error(403, "PERMISSION_DENIED", "no");
    for replies in [vec![refusal.clone()], vec![Reply::done(), refusal.clone()]] {
        let (report, _) = carried_out(conflicting(), replies).await;
        assert_eq!(report.error.unwrap().kind, ErrorKind::Forbidden);
        assert_eq!(report.superseded, None);
        assert_eq!(report.run_id.as_deref(), Some(RUN), "still the trial's");
    }
    // After a crash behind the last step: the tag is gone, and the caller does not know.
    let gone = Reply::error(404, "RESOURCE_DOES_NOT_EXIST", "No tag with name: trial_id");
    let replies = [Reply::done(), gone, run_reply(&with_another_param())];
    let (report, requests) = carried_out(conflicting(), replies).await;
    assert_eq!(lines(&requests), [LOG_BATCH, DELETE_TAG, GET]);
    assert_eq!(report.superseded.as_deref(), Some(RUN));
    assert_eq!(report.error, None);
}

#[tokio::test]
async fn a_conflict_that_only_the_base_tells_of_is_looked_at_first() {
    let (mut trial, base) = pushed(running_trial());
    trial.params.insert("lr".to_owned(), "0.3".to_owned());
    let mut order = order(trial, existing());
    (order.base, order.policy) = (Some(base), policy());
    let there = run_reply(&run_of(&running_trial()));
    let replies = [there, Reply::done(), Reply::done()];
    let (report, requests) = carried_out(order, replies).await;
    assert_eq!(lines(&requests), [GET, LOG_BATCH, DELETE_TAG]);
    assert_eq!(report.superseded.as_deref(), Some(RUN));
}

#[tokio::test]
async fn a_conflict_that_the_server_tells_of_is_looked_at_then() {
    let (mut trial, base) = pushed(running_trial());
    trial.params.insert("depth".to_owned(), "3".to_owned());
    let mut order = order(trial, existing());
    (order.base, order.policy) = (Some(base), policy());
    let mut run = run_of(&running_trial());
    run.params.insert("depth".to_owned(), "4".to_owned());
    let refusal = Reply::error(400, "INVALID_PARAMETER_VALUE", "already logged");
    let replies = [refusal, run_reply(&run), Reply::done(), Reply::done()];
    let (report, requests) = carried_out(order, replies).await;
    assert_eq!(lines(&requests), [LOG_BATCH, GET, LOG_BATCH, DELETE_TAG]);
    assert_eq!(report.superseded.as_deref(), Some(RUN));
}

#[tokio::test]
async fn the_new_run_takes_everything() {
    let trial = finished_trial();
    let mut order = order(trial.clone(), new_run());
    order.policy = policy();
    let replies = [created(&trial), Reply::done(), Reply::done()];
    let (report, requests) = carried_out(order, replies).await;
    assert_eq!(requests.len(), 3);
    assert_eq!(
        requests[1].json()["params"],
        json!([{"key": "lr", "value": "0.1"}])
    );
    assert_eq!((report.error, report.superseded), (None, None));
}

#[tokio::test]
async fn a_twin_with_another_param_is_left_as_well() {
    let mut run = with_another_param();
    run.run_id = OTHER_RUN.to_owned();
    let mut order = order(
        running_trial(),
        Target::Unknown {
            experiment_id: "7".to_owned(),
            tag: our_tag(),
            settling: Default::default(),
        },
    );
    order.policy = policy();
    let found = Reply::json(json!({"runs": [super::run_json(&run)]}));
    let (report, _) = carried_out(order, [found, Reply::done(), Reply::done()]).await;
    assert_eq!(report.superseded.as_deref(), Some(OTHER_RUN));
    assert_eq!(report.creation, Creation::Adopted);
}
