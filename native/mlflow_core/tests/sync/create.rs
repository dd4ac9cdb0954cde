//! A trial that has no run yet.

use mlflow_core::ErrorKind;
use mlflow_core::diff::Direction;
use mlflow_core::model::{Run, RunStatus, Trial};
use mlflow_core::sync::{Creation, carry_out};
use serde_json::json;

use super::support::Reply;
use super::{
    CREATE, GET, LOG_BATCH, RUN, UPDATE, carried_out, client, created, existing, finished_trial,
    lines, new_run, order, run_of, run_reply, running_trial,
};

#[tokio::test]
async fn a_finished_trial_takes_three_requests_data_first_and_status_last() {
    let trial = finished_trial();
    let replies = [created(&trial), Reply::done(), Reply::done()];
    let (report, requests) = carried_out(order(trial, new_run()), replies).await;

    assert_eq!(lines(&requests), [CREATE, LOG_BATCH, UPDATE]);
    assert_eq!(
        requests[0].json(),
        json!({
            "experiment_id": "7", "run_name": "first", "start_time": 1000,
            "tags": [{"key": "trial_id", "value": "t1"}]
        })
    );
    assert_eq!(
        requests[1].json(),
        json!({
            "run_id": RUN,
            "metrics": [{"key": "loss", "value": 0.5, "timestamp": 1500, "step": 3}],
            "params": [{"key": "lr", "value": "0.1"}],
            "tags": []
        })
    );
    assert_eq!(
        requests[2].json(),
        json!({"run_id": RUN, "status": "FINISHED", "end_time": 2000})
    );
    assert_eq!(report.error, None);
    assert_eq!(report.creation, Creation::Created);
    assert_eq!(report.run_id.as_deref(), Some(RUN));
    assert_eq!((report.requests.reads, report.requests.writes), (0, 3));
}

#[tokio::test]
async fn a_running_trial_takes_two_requests() {
    let trial = running_trial();
    let replies = [created(&trial), Reply::done()];
    let (report, requests) = carried_out(order(trial, new_run()), replies).await;
    assert_eq!(lines(&requests), [CREATE, LOG_BATCH]);
    assert_eq!(report.error, None);
    assert_eq!(report.creation, Creation::Created);
}

#[tokio::test]
async fn a_trial_without_data_takes_one() {
    let trial = Trial {
        params: Default::default(),
        points: vec![],
        ..running_trial()
    };
    let (report, requests) = carried_out(order(trial.clone(), new_run()), [created(&trial)]).await;
    assert_eq!(lines(&requests), [CREATE]);
    assert_eq!(report.error, None);
}

#[tokio::test]
async fn what_was_agreed_on_creation_needs_no_second_push() {
    let trial = finished_trial();
    let replies = [created(&trial), Reply::done(), Reply::done()];
    let (report, _) = carried_out(order(trial.clone(), new_run()), replies).await;

    let mut again = order(trial, existing());
    again.trial.points = vec![];
    again.base = Some(report.plan.base);
    let (report, requests) = carried_out(again, []).await;
    assert_eq!(lines(&requests), [""; 0]);
    assert_eq!(report.error, None);
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_is_never_sent_twice() {
    for lost in [
        Reply::hang_up(),
        Reply::error(500, "INTERNAL_ERROR", "after the commit?"),
        Reply::html(504, "<html>Gateway Timeout</html>"),
        Reply::json(json!({"run": {"info": {}}})),
        created(&running_trial()).cut_after(60),
    ] {
        let (report, requests) = carried_out(order(running_trial(), new_run()), [lost]).await;
        assert_eq!(lines(&requests), [CREATE]);
        assert_eq!(report.creation, Creation::Unknown);
        assert_eq!(report.run_id, None);
        assert!(report.error.unwrap().kind.is_transient());
    }
}

#[tokio::test]
async fn a_creation_that_the_server_refused_created_nothing() {
    for (refusal, kind) in [
        (
            Reply::error(401, "UNAUTHENTICATED", "who?"),
            ErrorKind::Unauthenticated,
        ),
        (
            Reply::error(403, "PERMISSION_DENIED", "no"),
            ErrorKind::Forbidden,
        ),
        (
            Reply::error(404, "RESOURCE_DOES_NOT_EXIST", "no"),
            ErrorKind::NotFound,
        ),
    ] {
        let (report, requests) = carried_out(order(running_trial(), new_run()), [refusal]).await;
        assert_eq!(lines(&requests), [CREATE]);
        assert_eq!(report.creation, Creation::Refused);
        assert_eq!(report.run_id, None);
        assert_eq!(report.error.unwrap().kind, kind);
    }
}

#[tokio::test]
async fn in_a_deleted_experiment_nothing_is_created_and_the_error_says_what_to_do() {
    let refusal = Reply::error(400, "INVALID_PARAMETER_VALUE", "must be 'active'");
    for (stage, advice) in [("deleted", "restore it"), ("active", "must be 'active'")] {
        let experiment = Reply::json(json!({"experiment": {
            "experiment_id": "7", "name": "iris", "lifecycle_stage": stage
        }}));
        let replies = [refusal.clone(), experiment];
        let (report, requests) = carried_out(order(running_trial(), new_run()), replies).await;
        assert_eq!(lines(&requests)[0], CREATE);
        assert_eq!(report.creation, Creation::Refused);
        assert_eq!(report.run_id, None);
        let error = report.error.unwrap();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains(advice), "{error}");
    }
}

#[tokio::test]
async fn a_creation_that_was_put_off_is_sent_again() {
    let trial = running_trial();
    let wait = Reply::error(429, "REQUEST_LIMIT_EXCEEDED", "slow down");
    let replies = [wait, created(&trial), Reply::done()];
    let (report, requests) = carried_out(order(trial, new_run()), replies).await;
    assert_eq!(lines(&requests), [CREATE, CREATE, LOG_BATCH]);
    assert_eq!(report.creation, Creation::Created);
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_created() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let report = carry_out(&client(uri), order(running_trial(), new_run())).await;
    assert_eq!(report.creation, Creation::Refused);
    assert_eq!(report.error.unwrap().kind, ErrorKind::Connect);
}

#[tokio::test]
async fn a_run_whose_data_is_refused_is_reported_beside_the_error() {
    let trial = finished_trial();
    let refusal = Reply::error(400, "INVALID_PARAMETER_VALUE", "no such param");
    let replies = [created(&trial), refusal];
    let (report, requests) = carried_out(order(trial, new_run()), replies).await;
    assert_eq!(
        lines(&requests),
        [CREATE, LOG_BATCH],
        "no status without its data"
    );
    assert_eq!(report.creation, Creation::Created);
    assert_eq!(report.run_id.as_deref(), Some(RUN));
    assert_eq!(report.error.unwrap().kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn what_met_the_same_from_another_worker_is_looked_at_and_sent_again() {
    let trial = running_trial();
    let refusal = Reply::error(400, "BAD_REQUEST", "UNIQUE constraint failed: params.key");
    let theirs = Run {
        metrics: vec![],
        ..run_of(&trial)
    };
    let replies = [created(&trial), refusal, run_reply(&theirs), Reply::done()];
    let (report, requests) = carried_out(order(trial, new_run()), replies).await;
    assert_eq!(lines(&requests), [CREATE, LOG_BATCH, GET, LOG_BATCH]);
    assert_eq!(requests[3].json()["params"], json!([]));
    assert_eq!(requests[3].json()["metrics"].as_array().unwrap().len(), 1);
    assert_eq!(report.error, None);
}

#[tokio::test]
async fn a_value_that_no_server_takes_is_refused_before_it_is_sent() {
    let mut trial = running_trial();
    trial.tags.insert("long".to_owned(), "x".repeat(8001));
    let (report, requests) = carried_out(order(trial, new_run()), []).await;
    assert_eq!(lines(&requests), [""; 0]);
    assert_eq!(report.creation, Creation::Refused);
    assert!(report.error.unwrap().message.contains("\"long\""));
}

#[tokio::test]
async fn a_param_that_no_server_takes_leaves_no_half_made_run() {
    let mut trial = finished_trial();
    trial.params.insert("long".to_owned(), "x".repeat(6001));
    let (report, requests) = carried_out(order(trial, new_run()), []).await;
    assert_eq!(lines(&requests), [""; 0]);
    assert_eq!(report.creation, Creation::Refused);
    assert_eq!(report.error.unwrap().kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn a_name_is_not_said_twice() {
    let mut trial = running_trial();
    let name = ("mlflow.runName".to_owned(), "another".to_owned());
    trial.tags.extend([name]);
    let replies = [created(&running_trial()), Reply::done()];
    let (report, requests) = carried_out(order(trial, new_run()), replies).await;
    assert_eq!(
        requests[0].json()["tags"],
        json!([{"key": "trial_id", "value": "t1"}])
    );
    assert_eq!(report.error, None);
}

#[tokio::test]
async fn a_pending_trial_is_scheduled() {
    let mut trial = running_trial();
    trial.status = RunStatus::Scheduled;
    let replies = [created(&trial), Reply::done(), Reply::done()];
    let (_, requests) = carried_out(order(trial, new_run()), replies).await;
    assert_eq!(
        requests[2].json(),
        json!({"run_id": RUN, "status": "SCHEDULED"})
    );
}

#[tokio::test]
async fn both_ways_a_name_that_the_server_made_up_comes_back() {
    let named = running_trial();
    let mut trial = running_trial();
    trial.name = None;
    let mut order = order(trial, new_run());
    order.direction = Direction::Both;
    let (report, _) = carried_out(order, [created(&named), Reply::done()]).await;
    assert_eq!(report.plan.pull.name, named.name);
}
