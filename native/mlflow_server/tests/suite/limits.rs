//! What is asked for is refused where it would be too much, in words, and stops nobody else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

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
fn patterns_have_a_size() {
    let server = TestServer::start();
    let tag = json!({"experiment_id": "0", "key": "t", "value": "a".repeat(20_000)});
    server.post("experiments/set-experiment-tag", tag).ok();
    for comparator in ["LIKE", "ILIKE"] {
        let ask = |pattern: &str| {
            let filter = format!("tags.t {comparator} '{pattern}'");
            let asked = json!({"max_results": 5, "filter": filter});
            server.post("experiments/search", asked)
        };
        assert_eq!(ask(&"%a".repeat(100)).status, 200);
        assert_eq!(ask(&"_".repeat(500)).status, 200);
        for pattern in ["%a".repeat(101), "_".repeat(501), "%a".repeat(24_000)] {
            assert_eq!(ask(&pattern).body["error_code"], "BAD_REQUEST");
        }
    }
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
fn an_answer_in_graphql_has_a_size() {
    let server = TestServer::start();
    let run_id = server.create_run();
    let metric = |n| json!({"key": format!("m{n}"), "value": 0.5, "timestamp": 1, "step": 1});
    let metrics: Vec<_> = (0..1_000).map(metric).collect();
    let body = json!({"run_id": run_id, "metrics": metrics});
    server.post("runs/log-batch", body).ok();
    let ask = |names: usize| {
        let names: String = (0..names).map(|n| format!(" n{n}: key")).collect();
        let input = format!("{{runId: \"{run_id}\"}}");
        let query = format!(
            "{{ mlflowGetRun(input: {input}) {{ run {{ data {{ metrics {{{names}}} }} }} }} }}"
        );
        let body = json!({ "query": query }).to_string();
        let head = format!(
            "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        String::from_utf8(server.exchange(head.as_bytes())).unwrap()
    };
    assert!(ask(10).contains("\"n9\":\"m999\""));
    assert!(ask(500).contains("more than 500000 values"));
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

#[test]
fn a_client_that_does_not_read_is_not_waited_for() {
    let server = TestServer::configured(|config| {
        config.idle_timeout = Duration::from_millis(300);
    });
    let path = "/api/2.0/mlflow-artifacts/artifacts/large";
    let content = vec![0; 32 << 20];
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        content.len()
    );
    let put = server.exchange(&[head.as_bytes(), &content].concat());
    assert!(put.starts_with(b"HTTP/1.1 200"));

    let mut silent = TcpStream::connect(server.address()).unwrap();
    let get = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    silent.write_all(get.as_bytes()).unwrap();
    silent.read_exact(&mut [0]).unwrap();
    let asked = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let open = || {
        let told = String::from_utf8(server.exchange(asked)).unwrap();
        let mut lines = told.lines();
        let line = lines.find_map(|line| line.strip_prefix("mlflow_server_connections "));
        line.unwrap().parse::<u32>().unwrap()
    };
    assert_eq!(open(), 2);
    let deadline = Instant::now() + Duration::from_secs(20);
    while open() > 1 {
        assert!(Instant::now() < deadline, "the connection is still open");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn clients_that_send_a_lot_at_once_are_refused_and_not_the_others() {
    let server = TestServer::configured(|config| config.most_in_bodies = 10_000);
    let begin = |sent: usize| {
        let mut client = TcpStream::connect(server.address()).unwrap();
        let head = "POST /api/2.0/mlflow/experiments/create HTTP/1.1\r\nHost: localhost\r\n\
                    Content-Type: application/json\r\nContent-Length: 9000\r\n\r\n";
        client.write_all(head.as_bytes()).unwrap();
        client.write_all(&vec![b' '; sent]).unwrap();
        client
    };
    let silent = [0; 5].map(begin);
    server.create_experiment("beside those that promise a lot");

    let mut first = begin(8_900);
    std::thread::sleep(Duration::from_millis(300));
    let mut second = begin(8_900);
    let mut answer = [0; 12];
    second.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 503");
    server.create_experiment("beside what is read");

    // What was read is let go of.
    first.write_all(&[b' '; 100]).unwrap();
    first.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    server.create_experiment(&"x".repeat(400));
    let mut third = begin(9_000);
    third.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    drop(silent);
}
