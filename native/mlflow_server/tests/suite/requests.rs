//! What holds for requests of every kind.

use crate::support::TestServer;

const SEARCH: &str = "/api/2.0/mlflow/experiments/search";
const BODY: &str = "{\"max_results\": 1}";

fn ask(server: &TestServer, method: &str, path: &str, headers: &str, body: &str) -> String {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    String::from_utf8(server.exchange(request.as_bytes())).unwrap()
}

#[test]
fn what_is_posted_says_that_it_is_json() {
    let server = TestServer::start();
    let post = |headers: &str| ask(&server, "POST", SEARCH, headers, BODY);
    for json in ["application/json", "application/JSON; charset=utf-8"] {
        let answer = post(&format!("Content-Type: {json}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let refused = [
        ("", "Content-Type header is missing."),
        (
            "Content-Type: text/plain\r\n",
            "Content-Type must be one of ['application/json'].",
        ),
    ];
    for (headers, message) in refused {
        let answer = post(headers);
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(answer.contains(message), "{answer}");
    }
}

#[test]
fn what_no_form_can_send_says_nothing_of_its_type() {
    let server = TestServer::start();
    let path = "/api/2.0/mlflow/registered-models/delete?name=m";
    let answer = ask(&server, "DELETE", path, "", "");
    assert!(
        answer.contains("Missing value for required parameter 'name'."),
        "{answer}"
    );
}

#[test]
fn nothing_is_sniffed() {
    let server = TestServer::start();
    let foreign = "Origin: http://evil.com\r\n";
    for (path, headers) in [
        ("/health", ""),
        ("/version", ""),
        ("/nonsense", ""),
        ("/api/2.0/mlflow/runs/get", ""),
        ("/health", foreign),
    ] {
        let answer = ask(&server, "GET", path, headers, "");
        let found = answer.matches("x-content-type-options: nosniff").count();
        assert_eq!(found, 1, "{path}: {answer}");
    }
}
