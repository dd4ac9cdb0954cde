//! `search/cases.jsonl` says what MLflow 3.17.2 finds among the runs of `search/runs.jsonl`.

mod pages;

use serde_json::{Value, json};

use crate::support::{Reply, TestServer};

const RUNS: &str = "runs/search";

fn jsonl(text: &str) -> impl Iterator<Item = Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap())
}

/// A list of keys and values, of an object.
fn pairs(of: &Value) -> Vec<(&String, &Value)> {
    of.as_object().into_iter().flatten().collect()
}

fn create(server: &TestServer, experiment: &str, run: &Value) -> String {
    let tags: Vec<_> = pairs(&run["tags"])
        .iter()
        .map(|(key, value)| json!({"key": key, "value": value}))
        .collect();
    let body = json!({
        "experiment_id": experiment, "run_name": run["name"], "start_time": run["start"],
        "user_id": run["user"].as_str().unwrap_or("u"), "tags": tags,
    });
    let reply = server.post("runs/create", body);
    let id = reply.ok()["run"]["info"]["run_id"].as_str().unwrap();
    for (key, value) in pairs(&run["metrics"]) {
        log_metric(server, id, key, value.clone());
    }
    for (key, value) in pairs(&run["params"]) {
        let body = json!({"run_id": id, "key": key, "value": value});
        server.post("runs/log-parameter", body).ok();
    }
    if run["datasets"].is_array() {
        let body = json!({"run_id": id, "datasets": run["datasets"]});
        server.post("runs/log-inputs", body).ok();
    }
    if run["status"].is_string() {
        let body = json!({"run_id": id, "status": run["status"], "end_time": run["end"]});
        server.post("runs/update", body).ok();
    }
    if run["deleted"] == true {
        server.post("runs/delete", json!({"run_id": id})).ok();
    }
    id.to_owned()
}

fn log_metric(server: &TestServer, id: &str, key: &str, value: Value) {
    let body = json!({"run_id": id, "key": key, "value": value, "timestamp": 1});
    server.post("runs/log-metric", body).ok();
}

/// A server with the runs of the cases in one experiment, whose id comes with it.
fn server() -> (TestServer, String) {
    let server = TestServer::start();
    let experiment = server.create_experiment("cases");
    for run in jsonl(include_str!("search/runs.jsonl")) {
        create(&server, &experiment, &run);
    }
    (server, experiment)
}

fn names(reply: &Reply) -> Vec<&str> {
    let runs = reply.ok().get("runs").and_then(Value::as_array);
    runs.into_iter()
        .flatten()
        .map(|run| run["info"]["run_name"].as_str().unwrap())
        .collect()
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

#[test]
fn every_filter_and_order_finds_what_mlflow_finds() {
    let (server, experiment) = server();
    for mut case in jsonl(include_str!("search/cases.jsonl")) {
        let found = case["found"].take();
        let body = with(case, "experiment_ids", json!([experiment]));
        let reply = server.post(RUNS, body.clone());
        assert_eq!(json!(names(&reply)), found, "{body}");
    }
}

#[test]
fn other_experiments_and_none_at_all() {
    let (server, experiment) = server();
    let found = |ids: Value| {
        let reply = server.post(RUNS, json!({"experiment_ids": ids}));
        names(&reply).len()
    };
    assert_eq!(found(json!([experiment])), 7);
    assert_eq!(found(json!(["0"])), 0);
    assert_eq!(found(json!(["0", experiment, "99"])), 7);
    assert_eq!(found(json!([])), 0);
    server
        .post(RUNS, json!({"experiment_ids": ["x"]}))
        .invalid("Invalid experiment ID 'x'. Experiment ID must be a valid integer.");
    server.post(RUNS, json!({"max_results": 0})).invalid(
        "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer",
    );
}

#[test]
fn datasets_that_runs_used() {
    let (server, experiment) = server();
    let search = |ids: Value| {
        let body = json!({"experiment_ids": ids});
        server.post("experiments/search-datasets", body)
    };
    let reply = search(json!([experiment]));
    let mut found = reply.ok()["dataset_summaries"].as_array().unwrap().clone();
    found.sort_by_key(|summary| summary["digest"].to_string());
    let id = experiment.as_str();
    assert_eq!(
        found,
        [
            json!({"experiment_id": id, "name": "ds", "digest": "d1", "context": "train"}),
            json!({"experiment_id": id, "name": "ds", "digest": "d2", "context": "Eval"}),
            json!({"experiment_id": id, "name": "Other", "digest": "d3"}),
        ]
    );
    assert_eq!(search(json!(["99"])).ok(), &json!({}));
    search(json!([])).invalid("SearchDatasets request must specify at least one experiment_id.");
    search(json!(["x"]))
        .invalid("Invalid experiment ID 'x'. Experiment ID must be a valid integer.");
    search(json!(vec!["1"; 21])).invalid(
        "SearchDatasets request cannot specify more than 20 experiment_ids. \
         Received 21 experiment_ids.",
    );
}

#[test]
fn experiments_by_name_tag_and_stage() {
    let server = TestServer::start();
    for name in ["alpha", "Beta", "gamma"] {
        let id = server.create_experiment(name);
        let tag = json!({"experiment_id": id, "key": "team", "value": name.to_lowercase()});
        server.post("experiments/set-experiment-tag", tag).ok();
        if name == "gamma" {
            let body = json!({"experiment_id": id});
            server.post("experiments/delete", body).ok();
        }
    }
    let found = |body: Value| {
        let body = with(body, "max_results", json!(10));
        let body = with(body, "order_by", json!(["name DESC"]));
        let reply = server.post("experiments/search", body);
        let found = reply.ok()["experiments"].as_array().cloned();
        let found = found.unwrap_or_default().into_iter();
        found.map(|one| one["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(found(json!({})), ["alpha", "Default", "Beta"]);
    assert_eq!(found(json!({"view_type": "DELETED_ONLY"})), ["gamma"]);
    let all = ["gamma", "alpha", "Default", "Beta"];
    assert_eq!(found(json!({"view_type": "ALL"})), all);
    assert_eq!(found(json!({"filter": "name ILIKE 'b%'"})), ["Beta"]);
    assert_eq!(found(json!({"filter": "name LIKE 'b%'"})), [""; 0]);
    assert_eq!(found(json!({"filter": "tags.team = 'alpha'"})), ["alpha"]);
    assert_eq!(found(json!({"filter": "tags.team != 'alpha'"})), ["Beta"]);
    assert_eq!(found(json!({"filter": "tags.team IS NULL"})), ["Default"]);
    assert_eq!(
        found(json!({"filter": "experiment_id IN ('1','3')", "view_type": "ALL"})),
        ["gamma", "alpha"]
    );
}
