//! What every call sends, and how it reads the answer.

use std::collections::BTreeMap;

use mlflow_core::ErrorKind;
use mlflow_core::api::{CreateRun, RunUpdate, SearchExperiments, SearchRuns};
use mlflow_core::client::{Client, ClientConfig, RequestCounts, SessionOptions};
use mlflow_core::model::{
    Experiment, LifecycleStage, Metric, MetricValue, Param, Run, RunStatus, Tag, ViewType,
};
use serde_json::{Value, json};

use super::support::{Reply, Server};
use super::{RUN, client, config};

fn tag(key: &str, value: &str) -> Tag {
    Tag {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn metric(key: &str, value: f64, timestamp: i64, step: i64) -> Metric {
    Metric {
        key: key.to_owned(),
        value: MetricValue(value),
        timestamp,
        step,
    }
}

fn run_json() -> Value {
    json!({
        "info": {
            "run_id": RUN, "run_uuid": "old", "experiment_id": "7", "run_name": "first",
            "status": "PAUSED", "start_time": "1700000000000", "end_time": 1700000001000i64,
            "artifact_uri": "s3://bucket/7", "lifecycle_stage": "active", "user_id": "ada",
            "unknown": {"nested": [1, 2]}
        },
        "data": {
            "params": [{"key": "lr", "value": "0.1"}],
            "metrics": [
                {"key": "loss", "value": 0.25, "timestamp": "1700000000500", "step": "3"},
                {"key": "bad", "value": "NaN", "timestamp": 1700000000500i64}
            ],
            "tags": [{"key": "team", "value": "a"}, {"key": "mlflow.runName", "value": "other"}]
        },
        "inputs": {}
    })
}

fn expected_run() -> Run {
    Run {
        run_id: RUN.to_owned(),
        experiment_id: "7".to_owned(),
        name: Some("first".to_owned()),
        status: RunStatus::Other("PAUSED".to_owned()),
        start_time: Some(1_700_000_000_000),
        end_time: Some(1_700_000_001_000),
        artifact_uri: Some("s3://bucket/7".to_owned()),
        lifecycle_stage: LifecycleStage::Active,
        user_id: Some("ada".to_owned()),
        params: BTreeMap::from([("lr".to_owned(), "0.1".to_owned())]),
        metrics: vec![
            metric("loss", 0.25, 1_700_000_000_500, 3),
            metric("bad", f64::NAN, 1_700_000_000_500, 0),
        ],
        tags: BTreeMap::from([
            ("team".to_owned(), "a".to_owned()),
            ("mlflow.runName".to_owned(), "other".to_owned()),
        ]),
    }
}

fn experiment_json() -> Value {
    json!({
        "experiment_id": "7", "name": "trials", "artifact_location": "s3://bucket/7",
        "lifecycle_stage": "deleted", "creation_time": "1700000000000",
        "last_update_time": 1700000001000i64, "tags": [{"key": "team", "value": "a"}]
    })
}

fn expected_experiment() -> Experiment {
    Experiment {
        experiment_id: "7".to_owned(),
        name: "trials".to_owned(),
        artifact_location: Some("s3://bucket/7".to_owned()),
        lifecycle_stage: LifecycleStage::Deleted,
        creation_time: Some(1_700_000_000_000),
        last_update_time: Some(1_700_000_001_000),
        tags: BTreeMap::from([("team".to_owned(), "a".to_owned())]),
    }
}

#[tokio::test]
async fn experiments_are_created_and_got() {
    let server = Server::start([
        Reply::json(json!({"experiment_id": "7"})),
        Reply::json(json!({"experiment_id": "8"})),
        Reply::json(json!({"experiment": experiment_json()})),
        Reply::json(json!({"experiment": experiment_json()})),
    ])
    .await;
    let client = client(&server);
    let tags = [tag("team", "a")];
    let id = client
        .create_experiment("trials", Some("s3://bucket/7"), &tags)
        .await
        .unwrap();
    assert_eq!(id, "7");
    assert_eq!(
        client.create_experiment("bare", None, &[]).await.unwrap(),
        "8"
    );
    assert_eq!(
        client.get_experiment("7").await.unwrap(),
        expected_experiment()
    );
    let found = client.get_experiment_by_name("a b&c/ü").await.unwrap();
    assert_eq!(found, expected_experiment());

    let requests = server.finish();
    assert_eq!(
        requests[0].line(),
        "POST /api/2.0/mlflow/experiments/create"
    );
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        requests[0].header("user-agent"),
        Some(&*format!("mlflow_sync/{version}"))
    );
    assert_eq!(
        requests[0].json(),
        json!({"name": "trials", "artifact_location": "s3://bucket/7",
            "tags": [{"key": "team", "value": "a"}]})
    );
    assert_eq!(requests[1].json(), json!({"name": "bare", "tags": []}));
    assert_eq!(
        requests[2].line(),
        "GET /api/2.0/mlflow/experiments/get?experiment_id=7"
    );
    assert!(requests[2].body.is_empty());
    assert_eq!(
        requests[3].line(),
        "GET /api/2.0/mlflow/experiments/get-by-name?experiment_name=a+b%26c%2F%C3%BC"
    );
}

#[tokio::test]
async fn experiments_are_searched() {
    let server = Server::start([
        Reply::json(json!({"experiments": [experiment_json()], "next_page_token": "n"})),
        Reply::done(),
    ])
    .await;
    let client = client(&server);
    let search = SearchExperiments {
        filter: Some("name = 'trials'".to_owned()),
        max_results: Some(10),
        order_by: vec!["name ASC".to_owned()],
        view_type: Some(ViewType::All),
        page_token: Some("p".to_owned()),
    };
    let page = client.search_experiments(&search).await.unwrap();
    assert_eq!(page.items, [expected_experiment()]);
    assert_eq!(page.next_page_token.as_deref(), Some("n"));
    let page = client
        .search_experiments(&SearchExperiments::default())
        .await
        .unwrap();
    assert!(page.items.is_empty() && page.next_page_token.is_none());

    let requests = server.finish();
    assert_eq!(
        requests[0].line(),
        "POST /api/2.0/mlflow/experiments/search"
    );
    assert_eq!(
        requests[0].json(),
        json!({"filter": "name = 'trials'", "max_results": 10, "order_by": ["name ASC"],
            "view_type": "ALL", "page_token": "p"})
    );
    // Servers take an absent max_results for zero, and refuse it.
    assert_eq!(requests[1].json(), json!({"max_results": 1000}));
}

#[tokio::test]
async fn experiments_are_changed() {
    let server = Server::start(vec![Reply::done(); 4]).await;
    let client = client(&server);
    client.update_experiment("7", "new").await.unwrap();
    client.delete_experiment("7").await.unwrap();
    client.restore_experiment("7").await.unwrap();
    client.set_experiment_tag("7", "team", "a").await.unwrap();
    assert_eq!(
        client.requests(),
        RequestCounts {
            reads: 0,
            writes: 4
        }
    );

    let sent: Vec<_> = server
        .finish()
        .iter()
        .map(|got| (got.line(), got.json()))
        .collect();
    let line = |name: &str| format!("POST /api/2.0/mlflow/experiments/{name}");
    assert_eq!(
        sent,
        [
            (
                line("update"),
                json!({"experiment_id": "7", "new_name": "new"})
            ),
            (line("delete"), json!({"experiment_id": "7"})),
            (line("restore"), json!({"experiment_id": "7"})),
            (
                line("set-experiment-tag"),
                json!({"experiment_id": "7", "key": "team", "value": "a"})
            ),
        ]
    );
}

#[tokio::test]
async fn runs_are_created_got_and_searched() {
    let server = Server::start([
        Reply::json(json!({"run": run_json()})),
        Reply::json(json!({"run": run_json()})),
        Reply::json(json!({"runs": [run_json()], "next_page_token": "n"})),
        Reply::json(json!({"runs": null})),
    ])
    .await;
    let client = client(&server);
    let run = CreateRun {
        experiment_id: "7".to_owned(),
        run_name: Some("first".to_owned()),
        start_time: Some(1_700_000_000_000),
        user_id: Some("ada".to_owned()),
        tags: vec![tag("team", "a")],
    };
    assert_eq!(client.create_run(&run).await.unwrap(), expected_run());
    assert_eq!(client.get_run(RUN).await.unwrap(), expected_run());
    let search = SearchRuns {
        experiment_ids: vec!["7".to_owned()],
        filter: Some("tags.a = 'b'".to_owned()),
        max_results: Some(5),
        order_by: vec!["start_time DESC".to_owned()],
        view_type: Some(ViewType::ActiveOnly),
        page_token: Some("p".to_owned()),
    };
    let page = client.search_runs(&search).await.unwrap();
    assert_eq!(page.items, [expected_run()]);
    assert_eq!(page.next_page_token.as_deref(), Some("n"));
    let search = SearchRuns {
        experiment_ids: vec!["7".to_owned()],
        ..SearchRuns::default()
    };
    assert!(client.search_runs(&search).await.unwrap().items.is_empty());
    assert_eq!(
        client.requests(),
        RequestCounts {
            reads: 3,
            writes: 1
        }
    );

    let requests = server.finish();
    assert_eq!(requests[0].line(), "POST /api/2.0/mlflow/runs/create");
    assert_eq!(
        requests[0].json(),
        json!({"experiment_id": "7", "run_name": "first", "start_time": 1700000000000i64,
            "user_id": "ada", "tags": [{"key": "team", "value": "a"}]})
    );
    assert_eq!(
        requests[1].line(),
        format!("GET /api/2.0/mlflow/runs/get?run_id={RUN}")
    );
    assert_eq!(requests[2].line(), "POST /api/2.0/mlflow/runs/search");
    assert_eq!(
        requests[2].json(),
        json!({"experiment_ids": ["7"], "filter": "tags.a = 'b'", "max_results": 5,
            "order_by": ["start_time DESC"], "run_view_type": "ACTIVE_ONLY", "page_token": "p"})
    );
    assert_eq!(requests[3].json(), json!({"experiment_ids": ["7"]}));
}

#[tokio::test]
async fn a_name_is_taken_from_the_tag_where_the_field_is_empty() {
    let mut run = run_json();
    run["info"]["run_name"] = json!("");
    let server = Server::start([Reply::json(json!({ "run": run }))]).await;
    let run = client(&server).get_run(RUN).await.unwrap();
    assert_eq!(run.name.as_deref(), Some("other"));
    server.finish();
}

#[tokio::test]
async fn runs_are_changed() {
    let server = Server::start(vec![Reply::done(); 8]).await;
    let client = client(&server);
    let update = RunUpdate {
        status: Some(RunStatus::Finished),
        end_time: Some(1_700_000_001_000),
        run_name: Some("new".to_owned()),
    };
    client.update_run(RUN, &update).await.unwrap();
    client.delete_run(RUN).await.unwrap();
    client.restore_run(RUN).await.unwrap();
    client
        .log_metric(RUN, &metric("loss", f64::NEG_INFINITY, 12, -3))
        .await
        .unwrap();
    let param = Param {
        key: "lr".to_owned(),
        value: "0.1".to_owned(),
    };
    client.log_param(RUN, &param).await.unwrap();
    client.set_tag(RUN, &tag("team", "a")).await.unwrap();
    client.delete_tag(RUN, "team").await.unwrap();
    let metrics = [metric("loss", 1.0, 12, 3), metric("loss", f64::NAN, 13, 4)];
    let tags = [tag("team", "\"ü\"")];
    let logged = client.log_entities(RUN, &[param], &tags, &metrics).await;
    logged.unwrap();

    let sent: Vec<_> = server
        .finish()
        .iter()
        .map(|got| (got.line(), got.json()))
        .collect();
    let line = |name: &str| format!("POST /api/2.0/mlflow/runs/{name}");
    assert_eq!(
        sent,
        [
            (
                line("update"),
                json!({"run_id": RUN, "status": "FINISHED", "end_time": 1700000001000i64,
                    "run_name": "new"})
            ),
            (line("delete"), json!({"run_id": RUN})),
            (line("restore"), json!({"run_id": RUN})),
            (
                line("log-metric"),
                json!({"run_id": RUN, "key": "loss", "value": "-Infinity", "timestamp": 12,
                    "step": -3})
            ),
            (
                line("log-parameter"),
                json!({"run_id": RUN, "key": "lr", "value": "0.1"})
            ),
            (
                line("set-tag"),
                json!({"run_id": RUN, "key": "team", "value": "a"})
            ),
            (line("delete-tag"), json!({"run_id": RUN, "key": "team"})),
            (
                line("log-batch"),
                json!({
                    "run_id": RUN,
                    "metrics": [
                        {"key": "loss", "value": 1.0, "timestamp": 12, "step": 3},
                        {"key": "loss", "value": "NaN", "timestamp": 13, "step": 4}
                    ],
                    "params": [{"key": "lr", "value": "0.1"}],
                    "tags": [{"key": "team", "value": "\"ü\""}]
                })
            ),
        ]
    );
}

#[tokio::test]
async fn the_server_is_asked_under_its_prefix_and_in_its_workspace() {
    let server = Server::start([Reply::text("OK"), Reply::text("3.17.2\n"), Reply::done()]).await;
    let client = Client::new(ClientConfig {
        tracking_uri: format!("{}/team/ml/", server.uri()),
        workspace: Some("blue".to_owned()),
        ..config(&server)
    })
    .unwrap();
    assert_eq!(client.tracking_uri(), format!("{}/team/ml", server.uri()));
    client.health().await.unwrap();
    assert_eq!(client.version().await.unwrap(), "3.17.2");
    client.delete_run(RUN).await.unwrap();

    let requests = server.finish();
    assert_eq!(requests[0].line(), "GET /team/ml/health");
    assert_eq!(requests[1].line(), "GET /team/ml/version");
    assert_eq!(
        requests[2].line(),
        "POST /team/ml/api/2.0/mlflow/runs/delete"
    );
    assert!(
        requests
            .iter()
            .all(|got| got.header("X-MLFLOW-WORKSPACE") == Some("blue"))
    );
}

#[tokio::test]
async fn what_the_server_would_refuse_is_not_sent() {
    let server = Server::start([]).await;
    let client = client(&server);
    let long_key = "k".repeat(251);
    let errors = [
        client.get_run("short").await.unwrap_err(),
        client
            .get_run("../../../../experiments/delete?a")
            .await
            .unwrap_err(),
        client
            .log_metric(RUN, &metric("", 0.0, 0, 0))
            .await
            .unwrap_err(),
        client.set_tag(RUN, &tag(&long_key, "")).await.unwrap_err(),
        client.delete_tag(RUN, &long_key).await.unwrap_err(),
        client.create_experiment("", None, &[]).await.unwrap_err(),
        client.get_experiment("").await.unwrap_err(),
        client.create_run(&CreateRun::default()).await.unwrap_err(),
        client.get_metric_history(RUN, "").await.unwrap_err(),
        client
            .log_entities(RUN, &[], &[tag("a", &"v".repeat(8001))], &[])
            .await
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(
            (error.kind, error.attempts),
            (ErrorKind::Invalid, 0),
            "{error}"
        );
    }
    assert_eq!(client.requests(), RequestCounts::default());
    server.finish();
}

#[tokio::test]
async fn sessions_count_for_themselves() {
    let server = Server::start(vec![Reply::done(); 3]).await;
    let client = client(&server);
    let session = client.session(SessionOptions::default());
    session.delete_run(RUN).await.unwrap();
    session
        .clone()
        .search_runs(&SearchRuns::default())
        .await
        .unwrap();
    client.restore_run(RUN).await.unwrap();
    assert_eq!(
        session.requests(),
        RequestCounts {
            reads: 1,
            writes: 1
        }
    );
    assert_eq!(
        client.requests(),
        RequestCounts {
            reads: 0,
            writes: 1
        }
    );
    let connections: Vec<_> = server.finish().iter().map(|got| got.connection).collect();
    assert_eq!(connections, [0, 0, 0], "sessions share the connections");
}
