//! What is asked for is refused where it would be too much, in words, and stops nobody else.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::support::TestServer;

fn all(part: &str, count: usize) -> String {
    vec![part; count].join(" AND ")
}

#[test]
fn searches_of_every_kind_have_a_size() {
    let server = TestServer::start();
    let filters = |count| {
        [
            ("runs/search", all("tags.a = 'b'", count)),
            ("experiments/search", all("tags.a = 'b'", count)),
            ("logged-models/search", all("name = 'b'", count)),
        ]
    };
    let ask = |path: &str, filter: &str| {
        let body = json!({"experiment_ids": ["0"], "max_results": 5, "filter": filter});
        server.post(path, body)
    };
    for (path, filter) in filters(200) {
        assert_eq!(ask(path, &filter).status, 200, "{path}");
    }
    for (path, filter) in filters(201) {
        assert_eq!(
            ask(path, &filter).body["error_code"],
            "BAD_REQUEST",
            "{path}"
        );
    }
    for resource in ["registered-models", "model-versions"] {
        let ask = |count| {
            let filter = all("name%3D'b'", count).replace(' ', "%20");
            server.get(&format!("{resource}/search?filter={filter}"))
        };
        assert_eq!(ask(200).status, 200, "{resource}");
        assert_eq!(ask(201).body["error_code"], "BAD_REQUEST", "{resource}");
    }
    let datasets = |count| {
        let datasets = vec![json!({"dataset_name": "d"}); count];
        let filter = all("metrics.a > 1", 200);
        let body = json!({"experiment_ids": ["0"], "datasets": datasets, "filter": filter});
        server.post("logged-models/search", body)
    };
    assert_eq!(datasets(50).status, 200);
    assert_eq!(datasets(51).body["error_code"], "BAD_REQUEST");
}

#[test]
fn orders_have_a_size() {
    let server = TestServer::start();
    let ask = |path: &str, order_by: Vec<Value>| {
        let body = json!({"experiment_ids": ["0"], "max_results": 5, "order_by": order_by});
        server.post(path, body)
    };
    let params = |count| (0..count).map(|n| json!(format!("params.p{n}"))).collect();
    let names = |count| vec![json!("name"); count];
    let metrics = |count| vec![json!({"field_name": "metrics.a"}); count];
    assert_eq!(ask("runs/search", params(50)).status, 200);
    assert_eq!(ask("experiments/search", names(50)).status, 200);
    assert_eq!(ask("logged-models/search", metrics(50)).status, 200);
    for refused in [
        ask("runs/search", params(51)),
        ask("experiments/search", names(51)),
        ask("logged-models/search", metrics(51)),
        ask("experiments/search", names(1_000_000)),
    ] {
        assert_eq!(refused.body["error_code"], "BAD_REQUEST");
    }
}

#[test]
fn a_token_with_a_rank_that_nothing_has_is_none() {
    let server = TestServer::start();
    for _ in 0..2 {
        server
            .post("runs/create", json!({"experiment_id": "0"}))
            .ok();
    }
    let ask = |token: &str| {
        let asked = json!({"experiment_ids": ["0"], "max_results": 1, "order_by": ["metrics.a"]});
        let mut asked = asked.as_object().unwrap().clone();
        asked.insert("page_token".into(), token.into());
        server.post("runs/search", asked.into())
    };
    let first = ask("");
    let token = first.ok()["next_page_token"].as_str().unwrap();
    assert_eq!(ask(token).ok()["runs"].as_array().unwrap().len(), 1);

    let mut place: Value = serde_json::from_slice(&BASE64_STANDARD.decode(token).unwrap()).unwrap();
    for rank in [i64::MIN, -1, 3] {
        place["keys"][0][0] = rank.into();
        let refused = ask(&BASE64_STANDARD.encode(place.to_string()));
        assert_eq!(
            refused.body["error_code"], "INVALID_PARAMETER_VALUE",
            "{rank}"
        );
    }
}

#[test]
fn a_body_that_never_comes_is_not_waited_for() {
    let server = TestServer::configured(|config| {
        config.request_timeout = Duration::from_millis(200);
    });
    for path in ["/graphql", "/api/2.0/mlflow/runs/search"] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: 9\r\nConnection: close\r\n\r\n{{"
        );
        let answer = server.exchange(head.as_bytes());
        assert!(answer.starts_with(b"HTTP/1.1 503"), "{path}");
    }
}
