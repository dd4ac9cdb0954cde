//! A trial whose run an earlier attempt may have created.

use std::time::Duration;

use mlflow_core::ErrorKind;
use mlflow_core::model::{Run, Tag};
use mlflow_core::sync::{Creation, Target};
use serde_json::{Value, json};

use super::support::Reply;
use super::{
    CREATE, LOG_BATCH, OTHER_RUN, RUN, SEARCH, carried_out, created, lines, order, our_tag,
    run_json, run_of, running_trial,
};

fn unknown(tag: Tag) -> Target {
    Target::Unknown {
        experiment_id: "7".to_owned(),
        tag,
        settling: Duration::ZERO,
    }
}

fn found(runs: &[Run]) -> Reply {
    Reply::json(json!({"runs": runs.iter().map(run_json).collect::<Vec<_>>()}))
}

/// As an attempt leaves it that ended after the creation.
fn bare_run(run_id: &str) -> Run {
    Run {
        run_id: run_id.to_owned(),
        params: Default::default(),
        metrics: vec![],
        ..run_of(&running_trial())
    }
}

#[tokio::test]
async fn a_run_that_is_found_by_its_tag_is_adopted_and_completed() {
    let order = order(running_trial(), unknown(our_tag()));
    let replies = [found(&[bare_run(RUN)]), Reply::done()];
    let (report, requests) = carried_out(order, replies).await;

    assert_eq!(lines(&requests), [SEARCH, LOG_BATCH]);
    assert_eq!(
        requests[0].json(),
        json!({
            "experiment_ids": ["7"], "filter": "tags.`trial_id` = 't1'", "max_results": 100,
            "order_by": ["attributes.start_time ASC"], "run_view_type": "ACTIVE_ONLY"
        })
    );
    assert_eq!(report.creation, Creation::Adopted);
    assert_eq!(report.run_id.as_deref(), Some(RUN));
    assert_eq!(report.duplicates, [""; 0]);
    assert_eq!(report.error, None);
}

#[tokio::test]
async fn of_two_runs_the_oldest_is_adopted_and_the_other_named() {
    let order = order(running_trial(), unknown(our_tag()));
    let replies = [found(&[bare_run(RUN), bare_run(OTHER_RUN)]), Reply::done()];
    let (report, requests) = carried_out(order, replies).await;
    assert_eq!(requests[1].json()["run_id"], RUN);
    assert_eq!(report.creation, Creation::Adopted);
    assert_eq!(report.run_id.as_deref(), Some(RUN));
    assert_eq!(report.duplicates, [OTHER_RUN]);
}

#[tokio::test]
async fn of_runs_that_began_at_once_everybody_adopts_the_same() {
    let later = Run {
        start_time: Some(2000),
        ..bare_run("00000000000000000000000000000000")
    };
    let twins = [later, bare_run(OTHER_RUN), bare_run(RUN)];
    let order = order(running_trial(), unknown(our_tag()));
    let (report, _) = carried_out(order, [found(&twins), Reply::done()]).await;
    assert_eq!(report.run_id.as_deref(), Some(RUN));
    assert_eq!(report.duplicates, [OTHER_RUN, &twins[0].run_id]);
}

#[tokio::test]
async fn a_run_that_is_found_nowhere_is_created() {
    let trial = running_trial();
    let replies = [found(&[]), created(&trial), Reply::done()];
    let (report, requests) = carried_out(order(trial, unknown(our_tag())), replies).await;
    assert_eq!(lines(&requests), [SEARCH, CREATE, LOG_BATCH]);
    assert_eq!(report.creation, Creation::Created);
    assert_eq!(report.error, None);
}

#[tokio::test]
async fn a_run_that_may_still_be_under_way_is_neither_created_nor_waited_for() {
    let settling = Duration::from_secs(9);
    let target = Target::Unknown {
        experiment_id: "7".to_owned(),
        tag: our_tag(),
        settling,
    };
    let (report, requests) = carried_out(order(running_trial(), target), [found(&[])]).await;
    assert_eq!(lines(&requests), [SEARCH]);
    assert_eq!(report.creation, Creation::Unsettled);
    assert_eq!(report.run_id, None);
    let error = report.error.unwrap();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert_eq!(error.retry_after, Some(settling));
    assert!(error.message.ends_with("try again in 9.0 s"), "{error}");
}

#[tokio::test]
async fn a_run_that_has_appeared_needs_no_settling() {
    let target = Target::Unknown {
        experiment_id: "7".to_owned(),
        tag: our_tag(),
        settling: Duration::from_secs(9),
    };
    let replies = [found(&[bare_run(RUN)]), Reply::done()];
    let (report, requests) = carried_out(order(running_trial(), target), replies).await;
    assert_eq!(lines(&requests), [SEARCH, LOG_BATCH]);
    assert_eq!(report.creation, Creation::Adopted);
}

#[tokio::test]
async fn a_search_that_fails_leaves_the_outcome_unknown() {
    let refusal = Reply::error(403, "PERMISSION_DENIED", "no");
    let order = order(running_trial(), unknown(our_tag()));
    let (report, requests) = carried_out(order, [refusal]).await;
    assert_eq!(lines(&requests), [SEARCH]);
    assert_eq!(report.creation, Creation::Unsettled);
    assert_eq!(report.error.unwrap().kind, ErrorKind::Forbidden);
}

#[tokio::test]
async fn a_creation_after_the_search_may_be_lost_or_refused_like_any_other() {
    for (reply, creation) in [
        (Reply::hang_up(), Creation::Unknown),
        (
            Reply::error(403, "PERMISSION_DENIED", "no"),
            Creation::Refused,
        ),
    ] {
        let order = order(running_trial(), unknown(our_tag()));
        let (report, requests) = carried_out(order, [found(&[]), reply]).await;
        assert_eq!(lines(&requests), [SEARCH, CREATE]);
        assert_eq!(report.creation, creation);
        assert_eq!(report.run_id, None);
    }
}

#[tokio::test]
async fn a_value_with_a_quote_is_searched_for_in_the_other_kind() {
    for (value, filter) in [
        ("it's", "tags.`trial id` = \"it's\""),
        ("say \"hi\"", "tags.`trial id` = 'say \"hi\"'"),
        ("100%", "tags.`trial id` = '100%'"),
    ] {
        let tag = Tag {
            key: "trial id".to_owned(),
            value: value.to_owned(),
        };
        let replies = [found(&[bare_run(RUN)]), Reply::done()];
        let (_, requests) = carried_out(order(running_trial(), unknown(tag)), replies).await;
        assert_eq!(requests[0].json()["filter"], Value::from(filter));
    }
}
