//! A trial whose run is there.

use mlflow_core::ErrorKind;
use mlflow_core::diff::Direction;
use mlflow_core::model::{LifecycleStage, Run, RunStatus};
use mlflow_core::sync::{Creation, Target};
use serde_json::json;

use super::support::Reply;
use super::{
    CREATE, DELETE_TAG, GET, LOG_BATCH, RUN, UPDATE, carried_out, created, existing,
    finished_trial, lines, new_run, order, pushed, run_of, run_reply, running_trial,
};

const NONE: [&str; 0] = [];

#[tokio::test]
async fn an_unchanged_trial_takes_no_request() {
    let (trial, base) = pushed(finished_trial());
    let mut order = order(trial, existing());
    order.base = Some(base.clone());
    let (report, requests) = carried_out(order, []).await;
    assert_eq!(lines(&requests), NONE);
    assert_eq!(report.error, None);
    assert_eq!(report.creation, Creation::NotNeeded);
    assert_eq!(report.run_id.as_deref(), Some(RUN));
    assert_eq!(report.run, None);
    assert_eq!(report.plan.base, base);
}

#[tokio::test]
async fn with_a_base_a_push_adds_without_reading() {
    let (mut trial, base) = pushed(running_trial());
    trial.params.insert("depth".to_owned(), "3".to_owned());
    let mut order = order(trial, existing());
    order.base = Some(base);
    let (report, requests) = carried_out(order, [Reply::done()]).await;
    assert_eq!(lines(&requests), [LOG_BATCH]);
    assert_eq!(
        requests[0].json()["params"],
        json!([{"key": "depth", "value": "3"}])
    );
    assert_eq!(requests[0].json()["tags"], json!([]));
    assert_eq!(report.error, None);
}

#[tokio::test]
async fn a_tag_that_is_new_here_may_not_be_new_there() {
    let (mut trial, base) = pushed(running_trial());
    trial.tags.insert("team".to_owned(), "a".to_owned());
    let mut run = run_of(&running_trial());
    run.tags.insert("team".to_owned(), "b".to_owned());
    let mut order = order(trial, existing());
    order.base = Some(base);
    let (report, requests) = carried_out(order, [run_reply(&run), Reply::done()]).await;
    assert_eq!(lines(&requests), [GET, LOG_BATCH]);
    assert_eq!(report.plan.conflicts.len(), 1);
}

#[tokio::test]
async fn a_run_does_not_end_before_its_last_points_are_there() {
    let mut first = order(finished_trial(), new_run());
    first.is_partial = true;
    let (report, requests) = carried_out(first, [created(&finished_trial()), Reply::done()]).await;
    assert_eq!(lines(&requests), [CREATE, LOG_BATCH]);
    assert_eq!(report.plan.base.status, None);

    let run = Run {
        status: RunStatus::Running,
        end_time: None,
        ..run_of(&finished_trial())
    };
    let mut last = order(finished_trial(), existing());
    last.base = Some(report.plan.base);
    let (report, requests) = carried_out(last, [run_reply(&run), Reply::done()]).await;
    assert_eq!(lines(&requests), [GET, UPDATE]);
    assert_eq!(requests[1].json()["status"], "FINISHED");
    assert_eq!(report.plan.base.status, Some(RunStatus::Finished));
}

#[tokio::test]
async fn what_would_be_replaced_is_read_first() {
    let (mut trial, base) = pushed(running_trial());
    trial.name = Some("third".to_owned());
    trial.status = RunStatus::Failed;
    let run = Run {
        name: Some("second".to_owned()),
        ..run_of(&running_trial())
    };
    let mut order = order(trial, existing());
    order.base = Some(base);
    let (report, requests) = carried_out(order, [run_reply(&run), Reply::done()]).await;
    assert_eq!(lines(&requests), [GET, UPDATE]);
    assert_eq!(
        requests[1].json(),
        json!({"run_id": RUN, "run_name": "third", "status": "FAILED"})
    );
    let fields: Vec<_> = report.plan.conflicts.iter().map(|c| c.field).collect();
    assert_eq!(fields, ["name"], "seen, though the trial wins");
}

#[tokio::test]
async fn what_the_server_refuses_unseen_is_looked_at_and_sent_again() {
    let (mut trial, base) = pushed(running_trial());
    trial.params.insert("depth".to_owned(), "3".to_owned());
    trial.params.insert("width".to_owned(), "8".to_owned());
    let mut run = run_of(&running_trial());
    run.params.insert("depth".to_owned(), "4".to_owned());
    let mut order = order(trial, existing());
    order.base = Some(base);
    let refusal = Reply::error(400, "INVALID_PARAMETER_VALUE", "already logged");
    let replies = [refusal, run_reply(&run), Reply::done()];
    let (report, requests) = carried_out(order, replies).await;
    assert_eq!(lines(&requests), [LOG_BATCH, GET, LOG_BATCH]);
    assert_eq!(
        requests[2].json()["params"],
        json!([{"key": "width", "value": "8"}])
    );
    assert_eq!(report.plan.conflicts.len(), 1);
    assert_eq!(report.error, None);
}

#[tokio::test]
async fn without_a_base_a_push_reads_first() {
    let trial = finished_trial();
    let reply = run_reply(&run_of(&trial));
    let (report, requests) = carried_out(order(trial, existing()), [reply]).await;
    assert_eq!(lines(&requests), [GET]);
    assert_eq!(report.error, None);
    assert_eq!(report.creation, Creation::NotNeeded);
    assert_eq!(report.run.unwrap().run_id, RUN);
}

#[tokio::test]
async fn a_pull_reads_and_writes_nothing() {
    let (mut trial, base) = pushed(running_trial());
    let run = Run {
        status: RunStatus::Killed,
        end_time: Some(3000),
        ..run_of(&running_trial())
    };
    trial.tags.insert("team".to_owned(), "a".to_owned());
    for direction in [Direction::Pull, Direction::Both] {
        let mut order = order(trial.clone(), existing());
        order.direction = direction;
        order.base = Some(base.clone());
        let replies = [run_reply(&run), Reply::done()];
        let expected = [GET, LOG_BATCH];
        let count = if direction == Direction::Pull { 1 } else { 2 };
        let (report, requests) = carried_out(order, replies.into_iter().take(count)).await;
        assert_eq!(lines(&requests), expected[..count]);
        assert_eq!(report.plan.pull.status, Some(RunStatus::Killed));
        assert_eq!(report.plan.pull.end_time, Some(3000));
    }
}

#[tokio::test]
async fn a_run_that_was_just_read_is_not_read_again() {
    let run = run_of(&finished_trial());
    let order = order(finished_trial(), Target::Read(Box::new(run)));
    let (report, requests) = carried_out(order, []).await;
    assert_eq!(lines(&requests), NONE);
    assert_eq!(report.run_id.as_deref(), Some(RUN));
}

#[tokio::test]
async fn a_param_that_the_run_has_otherwise_is_not_sent() {
    let mut run = run_of(&finished_trial());
    run.params.insert("lr".to_owned(), "0.2".to_owned());
    let order = order(finished_trial(), Target::Read(Box::new(run)));
    let (report, requests) = carried_out(order, []).await;
    assert_eq!(lines(&requests), NONE);
    assert_eq!(report.plan.conflicts.len(), 1);
    assert_eq!(report.error, None);
}

#[tokio::test]
async fn a_deleted_run_is_an_error_that_says_what_to_do() {
    let run = Run {
        lifecycle_stage: LifecycleStage::Deleted,
        ..run_of(&finished_trial())
    };
    let read = order(finished_trial(), existing());
    let given = order(finished_trial(), Target::Read(Box::new(run.clone())));
    for (order, replies) in [(read, vec![run_reply(&run)]), (given, vec![])] {
        let (report, _) = carried_out(order, replies).await;
        let error = report.error.unwrap();
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(error.message.contains("restore it"), "{error}");
        assert_eq!(report.run_id.as_deref(), Some(RUN));
    }
}

#[tokio::test]
async fn a_run_that_is_not_there_is_an_error_and_not_created() {
    let reply = Reply::error(404, "RESOURCE_DOES_NOT_EXIST", "no such run");
    let (report, requests) = carried_out(order(finished_trial(), existing()), [reply]).await;
    assert_eq!(lines(&requests), [GET]);
    assert_eq!(report.error.unwrap().kind, ErrorKind::NotFound);
    assert_eq!(report.run_id, None);
}

#[tokio::test]
async fn tags_are_deleted_one_by_one_before_the_status() {
    let (mut trial, base) = pushed(running_trial());
    trial.tags.clear();
    trial.status = RunStatus::Finished;
    let mut order = order(trial, existing());
    order.base = Some(base);
    let there = run_reply(&run_of(&running_trial()));
    let (_, requests) = carried_out(order, [there, Reply::done(), Reply::done()]).await;
    assert_eq!(lines(&requests), [GET, DELETE_TAG, UPDATE]);
    assert_eq!(
        requests[1].json(),
        json!({"run_id": RUN, "key": "trial_id"})
    );
}

#[tokio::test]
async fn a_tag_that_an_earlier_attempt_deleted_is_no_error() {
    let (mut trial, base) = pushed(finished_trial());
    trial.tags.clear();
    let mut order = order(trial, existing());
    order.base = Some(base);
    let gone = Reply::error(404, "RESOURCE_DOES_NOT_EXIST", "No tag with name: trial_id");
    let there = run_reply(&run_of(&finished_trial()));
    let replies = [there.clone(), gone.clone(), there.clone()];
    let (report, requests) = carried_out(order.clone(), replies).await;
    assert_eq!(lines(&requests), [GET, DELETE_TAG, GET]);
    assert_eq!(report.error, None);

    let (report, _) = carried_out(order, [there, gone.clone(), gone]).await;
    assert_eq!(
        report.error.unwrap().kind,
        ErrorKind::NotFound,
        "the run itself"
    );
}

#[tokio::test]
async fn the_status_is_not_sent_when_the_data_failed() {
    let (_, base) = pushed(running_trial());
    let mut trial = finished_trial();
    trial.points[0].step = 4;
    let mut order = order(trial, existing());
    order.base = Some(base);
    let there = run_reply(&run_of(&running_trial()));
    let refusal = Reply::error(400, "INVALID_PARAMETER_VALUE", "no");
    let (report, requests) = carried_out(order, [there, refusal]).await;
    assert_eq!(lines(&requests), [GET, LOG_BATCH]);
    assert_eq!(report.error.unwrap().kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn what_a_broken_connection_left_open_is_sent_again() {
    let (_, base) = pushed(running_trial());
    let mut trial = running_trial();
    trial.points[0].step = 4;
    let mut order = order(trial, existing());
    order.base = Some(base);
    let (report, requests) = carried_out(order, [Reply::hang_up(), Reply::done()]).await;
    assert_eq!(lines(&requests), [LOG_BATCH, LOG_BATCH]);
    assert_eq!(requests[0].body, requests[1].body, "the very same points");
    assert_eq!(report.error, None);
}

#[tokio::test]
async fn many_points_go_in_as_few_requests_as_can_be() {
    let (mut trial, base) = pushed(running_trial());
    let point = running_trial().points.remove(0);
    trial.points = (10..2510)
        .map(|step| mlflow_core::model::Metric {
            step,
            ..point.clone()
        })
        .collect();
    let mut order = order(trial, existing());
    order.base = Some(base);
    let (report, requests) =
        carried_out(order, [Reply::done(), Reply::done(), Reply::done()]).await;
    assert_eq!(lines(&requests), [LOG_BATCH; 3]);
    assert_eq!(report.error, None);
}
