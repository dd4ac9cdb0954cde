use serde_json::{Value, json};

use crate::support::{TestServer, see_docs};

/// Logs points of "m": (value, time, step).
fn log(server: &TestServer, run_id: &str, points: &[(f64, i64, i64)]) {
    let metric = |(value, timestamp, step): &(f64, i64, i64)| json!({"key": "m", "value": value, "timestamp": timestamp, "step": step});
    let metrics: Vec<_> = points.iter().map(metric).collect();
    let body = json!({"run_id": run_id, "metrics": metrics});
    server.post("runs/log-batch", body).ok();
}

fn steps(body: &Value) -> Vec<i64> {
    let metrics = body["metrics"].as_array().unwrap();
    let step = |metric: &Value| metric["step"].as_i64().unwrap();
    metrics.iter().map(step).collect()
}

#[test]
fn a_history_is_in_the_order_of_time() {
    let server = TestServer::start();
    let run_id = server.create_run();
    log(
        &server,
        &run_id,
        &[(1.0, 3, 1), (2.0, 2, 2), (3.0, 1, 3), (1.0, 3, 1)],
    );
    let reply = server.get(&format!("metrics/get-history?run_id={run_id}&metric_key=m"));
    let first = json!({"key": "m", "value": 3.0, "timestamp": 1, "step": 3});
    assert_eq!(reply.ok()["metrics"][0], first);
    assert_eq!(steps(reply.ok()), [3, 2, 1]);
    assert!(reply.body.get("next_page_token").is_none());
}

#[test]
fn a_history_comes_in_pages() {
    let server = TestServer::start();
    let run_id = server.create_run();
    log(&server, &run_id, &[(0.0, 0, 0), (0.0, 1, 1), (0.0, 2, 2)]);
    let get = |query: &str| {
        server.get(&format!(
            "metrics/get-history?run_id={run_id}&metric_key=m{query}"
        ))
    };
    let first = get("&max_results=2");
    assert_eq!(steps(first.ok()), [0, 1]);
    assert_eq!(first.body["next_page_token"], "eyJvZmZzZXQiOiAyfQ==");
    let second = get("&max_results=2&page_token=eyJvZmZzZXQiOiAyfQ==");
    assert_eq!(steps(second.ok()), [2]);
    assert!(second.body.get("next_page_token").is_none());
    assert!(get("&max_results=3").ok().get("next_page_token").is_none());

    get("&max_results=0").invalid(
        "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer.",
    );
    get("&page_token=abc").invalid("Invalid page token, could not base64-decode");
    get("&page_token=YWJj").invalid("Invalid page token, decoded value=b'abc'");
    get("&page_token=e30=").invalid("Invalid page token, parsed value={}");
}

#[test]
fn what_is_unknown_has_no_history() {
    let server = TestServer::start();
    let run_id = server.create_run();
    for (run_id, key) in [("zz", "m"), (run_id.as_str(), "no")] {
        let reply = server.get(&format!(
            "metrics/get-history?run_id={run_id}&metric_key={key}"
        ));
        assert_eq!(reply.ok(), &json!({}));
    }
    server
        .get(&format!("metrics/get-history?run_id={run_id}"))
        .invalid(&see_docs(
            "Missing value for required parameter 'metric_key'.",
        ));
}

#[test]
fn points_of_many_keys_are_in_their_histories_at_once() {
    let server = TestServer::start();
    let run_id = server.create_run();
    // More than are kept aside, so some are in their places and some are not; and each twice.
    let batches = 36;
    for batch in 0..batches {
        let metric = |key| json!({"key": format!("k{key}"), "value": 0.5, "timestamp": batch, "step": batch});
        let metrics: Vec<_> = (0..1_000).map(metric).collect();
        let body = json!({"run_id": run_id, "metrics": metrics});
        server.post("runs/log-batch", body.clone()).ok();
        server.post("runs/log-batch", body).ok();
    }
    for key in ["k0", "k999"] {
        let get = |query: &str| {
            server.get(&format!(
                "metrics/get-history?run_id={run_id}&metric_key={key}{query}"
            ))
        };
        let all: Vec<_> = (0..batches).collect();
        assert_eq!(steps(get("").ok()), all);
        assert_eq!(steps(get("&max_results=10").ok()), all[..10]);
        let token = "&page_token=eyJvZmZzZXQiOiAzMH0=";
        assert_eq!(steps(get(token).ok()), all[30..]);
        let query =
            format!("run_ids={run_id}&metric_key={key}&start_step=5&end_step=34&max_results=2");
        let sampled = server.get(&format!("metrics/get-history-bulk-interval?{query}"));
        assert_eq!(steps(sampled.ok()), [5, 34]);
    }
    let latest = &server.run(&run_id)["data"]["metrics"];
    assert_eq!(latest.as_array().unwrap().len(), 1_000);
    assert_eq!(latest[0]["step"], batches - 1);
}

#[test]
fn histories_of_many_runs() {
    let server = TestServer::start();
    let mut runs = [server.create_run(), server.create_run()];
    runs.sort();
    for run_id in &runs {
        log(&server, run_id, &[(1.0, 2, 0), (2.0, 1, 1)]);
    }
    let [one, other] = &runs;
    let get = |query: &str| server.get(&format!("metrics/get-history-bulk?{query}"));
    let reply = get(&format!(
        "run_id={other}&run_id={one}&metric_key=m&max_results=3"
    ));
    let metrics = reply.ok()["metrics"].as_array().unwrap();
    let found: Vec<_> = metrics
        .iter()
        .map(|metric| {
            (
                metric["run_id"].as_str().unwrap(),
                metric["step"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(found, [(one.as_str(), 1), (one, 0), (other, 1)]);
    assert_eq!(get("run_id=zz&metric_key=m").ok(), &json!({"metrics": []}));

    get("metric_key=m").invalid("GetMetricHistoryBulk request must specify at least one run_id.");
    get("run_id=x").invalid("GetMetricHistoryBulk request must specify a metric_key.");
    get(&format!("metric_key=m{}", "&run_id=x".repeat(101))).invalid(
        "GetMetricHistoryBulk request cannot specify more than 100 run_ids. Received 101 run_ids.",
    );
}

#[test]
fn sampled_histories() {
    let server = TestServer::start();
    let run_id = server.create_run();
    let points: Vec<_> = (0..6).map(|step| (step as f64, 100 - step, step)).collect();
    log(&server, &run_id, &points);
    let get = |query: &str| {
        let query = format!("run_ids={run_id}&metric_key=m{query}");
        server.get(&format!("metrics/get-history-bulk-interval?{query}"))
    };
    assert_eq!(steps(get("").ok()), [0, 1, 2, 3, 4, 5]);
    assert_eq!(steps(get("&max_results=3").ok()), [0, 2, 5]);
    assert_eq!(steps(get("&max_results=1").ok()), [5]);
    assert_eq!(steps(get("&start_step=1&end_step=3").ok()), [1, 2, 3]);
    let metric = json!({"key": "m", "value": 5.0, "timestamp": 95, "step": 5, "run_id": run_id});
    assert_eq!(get("&max_results=1").ok()["metrics"][0], metric);

    let many: Vec<_> = (6..2_600).map(|step| (0.0, 100 + step, step)).collect();
    many.chunks(1_000)
        .for_each(|points| log(&server, &run_id, points));
    let unchecked = json!({"run_ids": [run_id], "metric_key": "m", "maxResults": 1e9});
    let path = "metrics/get-history-bulk-interval";
    let reply = server.send("GET", path, &unchecked.to_string());
    assert_eq!(steps(reply.ok()).len(), 2_500);

    get("&max_results=2501").invalid(&see_docs("max_results must be between 1 and 2500."));
    get("&start_step=1")
        .invalid("If either start step or end step are specified, both must be specified.");
    get("&start_step=3&end_step=1")
        .invalid("end_step must be greater than start_step. Found start_step=3 and end_step=1.");
    let none = server.get("metrics/get-history-bulk-interval?run_ids=zz&metric_key=m");
    assert_eq!(none.ok(), &json!({}));
}

#[test]
fn of_equal_points_the_first_is_the_latest() {
    let server = TestServer::start();
    for (points, latest) in [
        ([f64::NAN, 0.0], json!("NaN")),
        ([0.0, f64::NAN], json!(0.0)),
    ] {
        let run_id = server.create_run();
        let metric = |value: &f64| {
            let value = Some(*value).filter(|value| !value.is_nan());
            let value = value.map_or(json!("NaN"), Value::from);
            json!({"key": "m", "value": value, "timestamp": 1, "step": 1})
        };
        let metrics: Vec<_> = points.iter().map(metric).collect();
        let body = json!({"run_id": run_id, "metrics": metrics});
        server.post("runs/log-batch", body).ok();
        assert_eq!(server.run(&run_id)["data"]["metrics"][0]["value"], latest);
    }
}
