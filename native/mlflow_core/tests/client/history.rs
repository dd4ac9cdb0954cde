//! The pages of a metric's history.

use mlflow_core::ErrorKind;
use serde_json::{Value, json};

use super::support::{Reply, Server};
use super::{RUN, client};

fn page(steps: &[i64], token: Option<&str>) -> Reply {
    let metrics: Vec<Value> = steps
        .iter()
        .map(|step| json!({"key": "loss", "value": 0.5, "timestamp": 1, "step": step}))
        .collect();
    Reply::json(json!({"metrics": metrics, "next_page_token": token}))
}

#[tokio::test]
async fn all_pages_are_read_and_their_overlap_is_dropped() {
    let server = Server::start([
        page(&[1, 2], Some("a&b")),
        page(&[2, 3], Some("c")),
        page(&[4], None),
    ])
    .await;
    let points = client(&server)
        .get_metric_history(RUN, "val/loss")
        .await
        .unwrap();
    let steps: Vec<i64> = points.iter().map(|point| point.step).collect();
    assert_eq!(steps, [1, 2, 3, 4]);

    let lines: Vec<String> = server.finish().iter().map(|got| got.line()).collect();
    let first = format!(
        "GET /api/2.0/mlflow/metrics/get-history?run_id={RUN}&metric_key=val%2Floss&\
         max_results=25000"
    );
    let second = format!("{first}&page_token=a%26b");
    let third = format!("{first}&page_token=c");
    assert_eq!(lines, [first, second, third]);
}

#[tokio::test]
async fn an_unknown_run_has_no_points() {
    let server = Server::start([Reply::done()]).await;
    assert!(
        client(&server)
            .get_metric_history(RUN, "loss")
            .await
            .unwrap()
            .is_empty()
    );
    server.finish();
}

#[tokio::test]
async fn pages_that_do_not_end_are_an_error() {
    for replies in [
        vec![
            page(&[1], Some("a")),
            page(&[2], Some("b")),
            page(&[3], Some("a")),
        ],
        vec![page(&[1], Some("a")), page(&[], Some("b"))],
        vec![page(&[], Some("a"))],
    ] {
        let server = Server::start(replies).await;
        let error = client(&server)
            .get_metric_history(RUN, "loss")
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadResponse);
        assert!(error.message.contains("do not end"), "{error}");
        server.finish();
    }
}
