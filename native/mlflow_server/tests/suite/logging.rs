use mlflow_server::ChangeKind;
use serde_json::{Value, json};

use crate::support::{Reply, TestServer, see_docs};

fn log(server: &TestServer, run_id: &str, kind: &str, mut body: Value) -> Reply {
    body["run_id"] = json!(run_id);
    server.post(&format!("runs/{kind}"), body)
}

#[test]
fn the_latest_metric_is_that_of_the_last_step() {
    let server = TestServer::start();
    let run_id = server.create_run();
    let metric = |value: Value, timestamp: i64, step: i64| {
        let body = json!({"key": "m", "value": value, "timestamp": timestamp, "step": step});
        log(&server, &run_id, "log-metric", body).ok();
    };
    let latest = || server.run(&run_id)["data"]["metrics"][0].clone();
    metric(json!(0.5), 10, 3);
    metric(json!(0.7), 20, 2);
    assert_eq!(latest()["value"], 0.5);
    metric(json!("NaN"), 11, 3);
    assert_eq!(latest()["value"], "NaN");
    metric(json!("Infinity"), 12, 3);
    assert_eq!(latest()["value"], f64::MAX);
    metric(json!("1.5"), 12, 4);
    let metric = json!({"key": "m", "value": 1.5, "timestamp": 12, "step": 4});
    assert_eq!(latest(), metric);
    assert_eq!(
        server.changes(&run_id)[..2],
        [ChangeKind::Created, ChangeKind::Logged]
    );
}

#[test]
fn wrong_metrics() {
    let server = TestServer::start();
    let run_id = server.create_run();
    let metric = |body: Value| log(&server, &run_id, "log-metric", body);
    let required =
        |field: &str| see_docs(&format!("Missing value for required parameter '{field}'."));
    metric(json!({"value": 1, "timestamp": 1})).invalid(&required("key"));
    metric(json!({"key": "m", "timestamp": 1})).invalid(&required("value"));
    metric(json!({"key": "m", "value": 1})).invalid(&required("timestamp"));
    metric(json!({"key": "m", "value": 1e20, "timestamp": -1})).invalid(
        "Invalid value -1 for parameter 'timestamp' supplied: metric 'm' (value=1e+20). Timestamp \
         must be a nonnegative long (64-bit integer) ",
    );
    metric(json!({"key": "é!", "value": 1, "timestamp": 1})).invalid(
        "Invalid value \"\\u00e9!\" for parameter 'name' supplied: Names may only contain \
         alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and \
         slashes (/).",
    );
    metric(json!({"key": "k".repeat(251), "value": 1, "timestamp": 1}))
        .invalid("'Metric name' exceeds the maximum length of 250 characters");
    metric(json!({"key": "m", "value": 1, "timestamp": 1, "dataset_name": "d"}))
        .invalid("Both dataset_name and dataset_digest must be provided if one is provided");
    metric(json!({"key": "m", "value": 1, "timestamp": 1, "model_id": "m-0"})).refused(
        400,
        "BAD_REQUEST",
        "FOREIGN KEY constraint failed: there is no model m-0",
    );
    // What was refused left nothing.
    assert!(server.run(&run_id)["data"].get("metrics").is_none());
}

#[test]
fn a_param_never_changes() {
    let server = TestServer::start();
    let run_id = server.create_run();
    let param = |key: &str, value: &str| {
        let body = json!({"key": key, "value": value});
        log(&server, &run_id, "log-parameter", body)
    };
    param("p", "1").ok();
    param("p", "1").ok();
    param("p", "2").invalid(&format!(
        "Changing param values is not allowed. Param with key='p' was already logged with \
         value='1' for run ID='{run_id}'. Attempted logging new value '2'."
    ));
    param(&"k".repeat(251), "1")
        .invalid("'Param key' exceeds the maximum length of 250 characters");
    param("long", &"ü".repeat(6_001)).ok();
    let params = &server.run(&run_id)["data"]["params"];
    assert_eq!(
        params[0],
        json!({"key": "long", "value": "ü".repeat(6_000)})
    );
    assert_eq!(params[1], json!({"key": "p", "value": "1"}));
}

#[test]
fn tags_of_runs() {
    let server = TestServer::start();
    let run_id = server.create_run();
    let set = |key: &str, value: &str| {
        let body = json!({"key": key, "value": value});
        log(&server, &run_id, "set-tag", body)
    };
    let delete = |key: &str| log(&server, &run_id, "delete-tag", json!({"key": key}));
    set("a", "1").ok();
    set("a", "2").ok();
    set("b", &"x".repeat(8_001)).ok();
    set("mlflow.runName", "renamed").ok();
    set("mlflow.runName", "").ok();
    set(&"k".repeat(251), "1").invalid("'key' exceeds the maximum length of 250 characters");
    let run = server.run(&run_id);
    let tags = json!([
        {"key": "a", "value": "2"},
        {"key": "b", "value": "x".repeat(8_000)},
        {"key": "mlflow.runName", "value": "renamed"},
    ]);
    assert_eq!(run["data"]["tags"], tags);
    assert_eq!(run["info"]["run_name"], "renamed");
    delete("a").ok();
    delete("a").missing(&format!("No tag with name: a in run with id {run_id}"));
}

#[test]
fn nothing_is_logged_to_a_deleted_run() {
    let server = TestServer::start();
    let run_id = server.create_run();
    server.post("runs/delete", json!({"run_id": run_id})).ok();
    let message =
        format!("The run {run_id} must be in the 'active' state. Current state is deleted.");
    for (kind, body) in [
        (
            "log-metric",
            json!({"key": "m", "value": 1, "timestamp": 1}),
        ),
        ("log-parameter", json!({"key": "p", "value": "1"})),
        ("set-tag", json!({"key": "t", "value": "1"})),
        ("delete-tag", json!({"key": "mlflow.runName"})),
        ("log-batch", json!({})),
        ("log-inputs", json!({})),
        ("outputs", json!({"models": []})),
    ] {
        log(&server, &run_id, kind, body).invalid(&message);
    }
}

#[test]
fn models_are_listed_in_a_tag() {
    let server = TestServer::start();
    let run_id = server.create_run();
    let model = |json: &str| log(&server, &run_id, "log-model", json!({"model_json": json}));
    let described = json!({
        "run_id": "r", "artifact_path": "é", "utc_time_created": "t", "more": 1,
        "flavors": {"x": {"config": 1, "b": [1, 2.5, null]}},
    });
    model(&described.to_string()).ok();
    model(&described.to_string()).ok();
    let one = "{\"run_id\": \"r\", \"artifact_path\": \"\\u00e9\", \"utc_time_created\": \"t\", \
               \"model_uuid\": null, \"flavors\": {\"x\": {\"b\": [1, 2.5, null]}}}";
    let tags = server.run(&run_id)["data"]["tags"].clone();
    let tag = json!({"key": "mlflow.log-model.history", "value": format!("[{one}, {one}]")});
    assert_eq!(tags[0], tag);
    model("{").invalid("Malformed model info. \n { \n is not a valid JSON.");
    model("{\"flavors\": {}, \"run_id\": 1, \"artifact_path\": 1}")
        .invalid("Model json is missing mandatory fields: {'utc_time_created'}");
}
