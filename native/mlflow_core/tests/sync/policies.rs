//! What the policy changes in what is asked for and sent.

use mlflow_core::diff::{Direction, ParamPolicy, Policy, Side};
use mlflow_core::model::{Run, RunStatus};
use mlflow_core::sync::Target;
use serde_json::json;

use super::support::Reply;
use super::{
    DELETE_TAG, GET, LOG_BATCH, RUN, UPDATE, carried_out, created, existing, finished_trial, lines,
    new_run, order, pushed, run_of, run_reply, running_trial,
};

fn tagged() -> Policy {
    Policy {
        params: ParamPolicy::Tag,
        param_tag_prefix: "our_param.".to_owned(),
        ..Policy::default()
    }
}

#[tokio::test]
async fn what_the_run_wins_is_looked_at_again_with_every_push_and_never_sent() {
    let (mut trial, base) = pushed(running_trial());
    (trial.name, trial.status) = (Some("second".to_owned()), RunStatus::Finished);
    let run = Run {
        name: Some("third".to_owned()),
        ..run_of(&running_trial())
    };
    let mut order = order(trial, existing());
    (order.base, order.policy.name) = (Some(base), Side::Remote);
    let replies = [run_reply(&run), Reply::done()];
    let (first, requests) = carried_out(order.clone(), replies).await;
    assert_eq!(lines(&requests), [GET, UPDATE]);
    assert_eq!(
        requests[1].json(),
        json!({"run_id": RUN, "status": "FINISHED"})
    );
    assert_eq!(first.plan.conflicts.len(), 1);

    let run = Run {
        status: RunStatus::Finished,
        ..run
    };
    order.base = Some(first.plan.base);
    let (again, requests) = carried_out(order.clone(), [run_reply(&run)]).await;
    assert_eq!(lines(&requests), [GET]);
    assert_eq!(again.plan.conflicts.len(), 1);

    (order.base, order.direction) = (Some(again.plan.base), Direction::Pull);
    let (pulled, _) = carried_out(order.clone(), [run_reply(&run)]).await;
    assert_eq!(pulled.plan.pull.name, run.name);

    (order.base, order.direction) = (Some(pulled.plan.base), Direction::Push);
    order.trial.name = run.name;
    let (_, requests) = carried_out(order, []).await;
    assert_eq!(lines(&requests), [""; 0]);
}

#[tokio::test]
async fn a_new_tag_that_the_run_may_have_and_win_is_looked_for() {
    let (mut trial, base) = pushed(running_trial());
    trial.tags.insert("team".to_owned(), "ours".to_owned());
    let mut run = run_of(&running_trial());
    run.tags.insert("team".to_owned(), "theirs".to_owned());
    let mut order = order(trial, existing());
    (order.base, order.policy.tags) = (Some(base), Side::Remote);
    let (report, requests) = carried_out(order, [run_reply(&run)]).await;
    assert_eq!(lines(&requests), [GET]);
    assert_eq!(report.plan.conflicts.len(), 1);
}

#[tokio::test]
async fn a_differing_param_goes_out_as_a_tag_and_the_tag_goes_when_it_differs_no_more() {
    let mut run = run_of(&finished_trial());
    run.params.insert("lr".to_owned(), "0.2".to_owned());
    let mut order = order(finished_trial(), Target::Read(Box::new(run.clone())));
    order.policy = tagged();
    let (report, requests) = carried_out(order.clone(), [Reply::done()]).await;
    assert_eq!(lines(&requests), [LOG_BATCH]);
    let tag = json!({"key": "our_param.lr", "value": "0.1"});
    assert_eq!(requests[0].json()["tags"], json!([tag]));

    order.base = Some(report.plan.base);
    order.target = existing();
    let (_, requests) = carried_out(order.clone(), []).await;
    assert_eq!(lines(&requests), [""; 0]);

    run.tags.insert("our_param.lr".to_owned(), "0.1".to_owned());
    order.trial.params = run.params.clone();
    let (report, requests) = carried_out(order, [run_reply(&run), Reply::done()]).await;
    assert_eq!(lines(&requests), [GET, DELETE_TAG]);
    assert_eq!(requests[1].json()["key"], "our_param.lr");
    assert_eq!(report.plan.conflicts, []);
}

#[tokio::test]
async fn a_run_is_not_created_with_tags_that_would_hold_params() {
    let mut trial = running_trial();
    trial.tags.insert("our_param.lr".to_owned(), "1".to_owned());
    let mut order = order(trial.clone(), new_run());
    order.policy = tagged();
    let (_, requests) = carried_out(order, [created(&running_trial()), Reply::done()]).await;
    assert_eq!(requests[0].json()["tags"].as_array().unwrap().len(), 1);
}
