//! Pages stay right whatever happens between them.

use serde_json::{Value, json};

use super::{RUNS, create, log_metric, names, server, with};
use crate::support::{Reply, TestServer};

/// The next page after `reply`, of the same search.
fn next(server: &TestServer, search: &Value, reply: &Reply) -> Reply {
    let token = reply.ok()["next_page_token"].clone();
    assert!(token.is_string(), "{}", reply.body);
    server.post(RUNS, with(search.clone(), "page_token", token))
}

/// Ties, what is no number and what is missing all end a page somewhere.
#[test]
fn pages_of_any_size_join_to_the_whole_in_every_order() {
    let (server, experiment) = server();
    let orders = [
        json!([]),
        json!(["metrics.acc"]),
        json!(["metrics.acc DESC"]),
        json!(["metrics.loss", "metrics.acc DESC"]),
        json!(["params.lr DESC"]),
        json!(["tags.t", "metrics.loss"]),
        json!(["end_time DESC"]),
        json!(["user_id"]),
        json!(["metrics.nope", "run_name"]),
    ];
    for order in orders {
        let search = json!({
            "experiment_ids": [experiment], "order_by": order, "run_view_type": "ALL",
        });
        let whole = server.post(RUNS, search.clone());
        let whole = names(&whole);
        assert_eq!(whole.len(), 8);
        for size in 1..8 {
            let search = with(search.clone(), "max_results", json!(size));
            let mut reply = server.post(RUNS, search.clone());
            let mut joined = Vec::new();
            loop {
                joined.extend(names(&reply).into_iter().map(str::to_owned));
                if reply.body.get("next_page_token").is_none() {
                    break;
                }
                reply = next(&server, &search, &reply);
            }
            assert_eq!(joined, whole, "{search}");
        }
    }
}

#[test]
fn runs_that_arrive_or_go_shift_nothing() {
    let (server, experiment) = server();
    let search = json!({"experiment_ids": [experiment], "max_results": 2});
    let first = server.post(RUNS, search.clone());
    assert_eq!(names(&first), ["h", "g"]);
    // Before the place where the page ended, and after it.
    create(&server, &experiment, &json!({"name": "new", "start": 9}));
    create(&server, &experiment, &json!({"name": "late", "start": 5}));
    let gone = &first.body["runs"][1]["info"]["run_id"];
    server.post("runs/delete", json!({"run_id": gone})).ok();
    let second = next(&server, &search, &first);
    assert_eq!(names(&second), ["F", "late"]);
    assert_eq!(names(&next(&server, &search, &second)), ["d", "c"]);
}

#[test]
fn a_changed_metric_moves_its_run_alone() {
    let (server, experiment) = server();
    let search = json!({
        "experiment_ids": [experiment], "max_results": 2, "order_by": ["metrics.acc DESC"],
    });
    let first = server.post(RUNS, search.clone());
    assert_eq!(names(&first), ["d", "F"]);
    // The run at which the page ended now ranks last of all numbers.
    let last = first.body["runs"][1]["info"]["run_id"].as_str().unwrap();
    log_metric(&server, last, "acc", json!(-5));
    let body = json!({"run_id": last, "key": "acc", "value": -5, "timestamp": 2});
    server.post("runs/log-metric", body).ok();
    let second = next(&server, &search, &first);
    assert_eq!(names(&second), ["b", "a"]);
    assert_eq!(names(&next(&server, &search, &second)), ["g", "F"]);
}

#[test]
fn tokens_of_something_else_are_refused() {
    let (server, experiment) = server();
    let search = json!({"experiment_ids": [experiment], "max_results": 2});
    let first = server.post(RUNS, search.clone());
    let token = first.ok()["next_page_token"].clone();
    let refused = |search: Value| {
        let reply = server.post(RUNS, with(search, "page_token", token.clone()));
        assert_eq!(reply.body["error_code"], "INVALID_PARAMETER_VALUE");
        let message = reply.body["message"].as_str().unwrap();
        assert!(
            message.starts_with("Invalid page token, parsed value={'id': "),
            "{message}"
        );
    };
    refused(with(search.clone(), "experiment_ids", json!(["0"])));
    refused(with(search.clone(), "order_by", json!(["run_name"])));
    refused(with(search.clone(), "filter", json!("metrics.acc > 0")));
    refused(with(search.clone(), "run_view_type", json!("ALL")));
    // Whoever wants larger pages from here on may have them.
    let larger = with(search, "max_results", json!(5));
    assert_eq!(
        names(&next(&server, &larger, &first)),
        ["F", "d", "c", "b", "a"]
    );
}

#[test]
fn what_is_no_token_is_refused_in_mlflows_words() {
    let server = TestServer::start();
    for (token, message) in [
        ("abc", "Invalid page token, could not base64-decode"),
        ("YWJj", "Invalid page token, decoded value=b'abc'"),
        ("e30=", "Invalid page token, parsed value={}"),
        ("WzFd", "Invalid page token, parsed value=[1]"),
        ("bnVsbA==", "Invalid page token, parsed value=None"),
    ] {
        let body = json!({"experiment_ids": ["0"], "max_results": 1, "page_token": token});
        server.post(RUNS, body.clone()).invalid(message);
        server.post("experiments/search", body).invalid(message);
    }
}
