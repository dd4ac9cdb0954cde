use serde_json::{Value, json};

use crate::support::{Reply, TestServer, see_docs};

fn log(server: &TestServer, run_id: &str, mut body: Value) -> Reply {
    body["run_id"] = json!(run_id);
    server.post("runs/log-batch", body)
}

fn metrics(count: usize) -> Value {
    let metric = |step| json!({"key": "m", "value": 0.5, "timestamp": 1, "step": step});
    (0..count).map(metric).collect()
}

fn pairs(count: usize) -> Value {
    let pair = |place| json!({"key": format!("k{place:03}"), "value": "1"});
    (0..count).map(pair).collect()
}

#[test]
fn metrics_params_and_tags_at_once() {
    let server = TestServer::start();
    let run_id = server.create_run();
    let body = json!({
        "metrics": [
            {"key": "a", "value": 1, "timestamp": 1, "step": 1},
            {"key": "a", "value": "NaN", "timestamp": 1, "step": 2, "run_id": "ignored"},
            {"key": "b", "value": "-Infinity", "timestamp": 1},
        ],
        "params": [{"key": "p", "value": "1"}],
        "tags": [{"key": "t"}, {"key": "mlflow.runName", "value": "n"}],
    });
    log(&server, &run_id, body).ok();
    let run = server.run(&run_id);
    let expected = json!({
        "metrics": [
            {"key": "a", "value": "NaN", "timestamp": 1, "step": 2},
            {"key": "b", "value": f64::MIN, "timestamp": 1, "step": 0},
        ],
        "params": [{"key": "p", "value": "1"}],
        "tags": [{"key": "mlflow.runName", "value": "n"}, {"key": "t", "value": ""}],
    });
    assert_eq!(run["data"], expected);
    assert_eq!(run["info"]["run_name"], "n");
}

#[test]
fn a_body_of_another_shape_means_the_same() {
    let server = TestServer::start();
    // By their other names, as texts, with null for nothing, and encoded twice.
    let shapes = [
        |run: &str| json!({"runId": run, "metrics": [{"key": "m", "value": 2, "timestamp": 3}]}),
        |run: &str| json!({"run_id": run, "metrics": [{"key": "m", "value": "2", "timestamp": "3"}]}),
        |run: &str| {
            let metric = json!({"key": "m", "value": 2, "timestamp": 3, "step": null, "more": 1});
            json!({"run_id": run, "metrics": [metric]})
        },
        |run: &str| {
            let body =
                json!({"run_id": run, "metrics": [{"key": "m", "value": 2, "timestamp": 3}]});
            json!(body.to_string())
        },
    ];
    for shape in &shapes[1..] {
        let run_id = server.create_run();
        server.post("runs/log-batch", shape(&run_id)).ok();
        let metric = json!([{"key": "m", "value": 2.0, "timestamp": 3, "step": 0}]);
        assert_eq!(server.run(&run_id)["data"]["metrics"], metric);
    }
    // MLflow asks for the id by this name alone.
    server
        .post("runs/log-batch", shapes[0]("r"))
        .invalid(&see_docs("Missing value for required parameter 'run_id'."));
}

#[test]
fn what_is_missing_is_told() {
    let server = TestServer::start();
    let run_id = server.create_run();
    let required =
        |field: &str| see_docs(&format!("Missing value for required parameter '{field}'."));
    let batch = |body| log(&server, &run_id, body);
    let good = json!({"key": "m", "value": 1, "timestamp": 1});
    for field in ["key", "value", "timestamp"] {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(field);
        batch(json!({"metrics": [good, bad]})).invalid(&required(&format!("metrics[1].{field}")));
    }
    batch(json!({"params": [{"value": "1"}]})).invalid(&required("params[0].key"));
    batch(json!({"tags": [{"key": ""}]})).invalid(&required("tags[0].key"));
    server
        .post("runs/log-batch", json!({"run_id": ""}))
        .invalid(&required("run_id"));
    batch(json!({"metrics": 5})).invalid(&see_docs(
        "Invalid value 5 for parameter 'metrics' supplied:  Hint: Value was of type 'int'.",
    ));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let server = TestServer::start();
    let run_id = server.create_run();
    let batch = |body| log(&server, &run_id, body);
    let good = json!({"key": "m", "value": 1, "timestamp": 1});
    let bad = json!({"key": "m", "value": 1, "timestamp": -1});
    batch(json!({"metrics": [good, bad]})).invalid(
        "Invalid value -1 for parameter 'metrics[1].timestamp' supplied: metric 'm' (value=1.0). \
         Timestamp must be a nonnegative long (64-bit integer) ",
    );
    let bad = json!({"key": "a//b", "value": 1, "timestamp": 1});
    let path = "Names may be treated as files in certain cases, and must not resolve to other \
                names when treated as such. This name would resolve to 'a/b'";
    batch(json!({"metrics": [good, bad]})).invalid(&format!(
        "Invalid value \"a//b\" for parameter 'metrics[1].name' supplied: {path}"
    ));
    batch(json!({"tags": [{"key": "a//b"}]})).invalid(&format!(
        "Invalid value \"a//b\" for parameter 'tags[0].key' supplied: {path}"
    ));
    batch(json!({"tags": [{"key": "k".repeat(251)}]}))
        .invalid("'tags[0].key' exceeds the maximum length of 250 characters");
    log(&server, "!", json!({})).invalid("Invalid value \"!\" for parameter 'run_id' supplied.");
    log(&server, "zz", json!({})).missing("Run with id=zz not found");
}

#[test]
fn no_more_than_mlflow_takes() {
    let server = TestServer::start();
    let run_id = server.create_run();
    let batch = |body| log(&server, &run_id, body);
    let too_many = |limit: usize, what: &str| {
        format!(
            "A batch logging request can contain at most {limit} {what}. Got {} {what}. Please \
             split up {what} across multiple requests and try again.",
            limit + 1
        )
    };
    batch(json!({"metrics": metrics(1_000)})).ok();
    batch(json!({"metrics": metrics(1_001)})).invalid(&too_many(1_000, "metrics"));
    batch(json!({"params": pairs(101)})).invalid(&too_many(100, "params"));
    batch(json!({"tags": pairs(101)})).invalid(&too_many(100, "tags"));
    batch(json!({"metrics": metrics(950), "tags": pairs(51)}))
        .invalid(&too_many(1_000, "metrics, params, and tags"));
    let twice = json!([{"key": "a"}, {"key": "a"}, {"key": "b"}]);
    batch(json!({"params": twice})).invalid(
        "Duplicate parameter keys have been submitted: ['a']. Please ensure the request contains \
         only one param value per param key.",
    );
}

#[test]
fn all_of_a_batch_is_written_or_none() {
    let server = TestServer::start();
    let run_id = server.create_run();
    let params = json!([{"key": "p", "value": "1"}, {"key": "q", "value": "1"}]);
    log(&server, &run_id, json!({"params": params})).ok();
    let changed = json!([{"key": "p", "value": "it's"}, {"key": "q", "value": "1"}, {"key": "r"}]);
    let body = json!({"params": changed, "metrics": metrics(3), "tags": pairs(1)});
    log(&server, &run_id, body).invalid(&format!(
        "Changing param values is not allowed. Params were already logged='[{{'key': 'p', \
         'old_value': '1', 'new_value': \"it's\"}}]' for run ID='{run_id}'."
    ));
    let data = &server.run(&run_id)["data"];
    assert_eq!(data["params"], params);
    assert!(data.get("metrics").is_none());
    assert_eq!(data["tags"].as_array().unwrap().len(), 1);
}
