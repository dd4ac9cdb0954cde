//! What the observer is told.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use mlflow_server::ChangeKind;
use serde_json::json;

use crate::support::TestServer;

/// More than enough, on any machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_change_is_told_though_whoever_made_it_has_hung_up() {
    let server = TestServer::start();
    let run_id = server.create_run();
    let release = server.hold_writes();

    let metric = json!({"run_id": run_id, "key": "loss", "value": 1, "timestamp": 1}).to_string();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let head = "POST /api/2.0/mlflow/runs/log-metric HTTP/1.1\r\nHost: localhost\r\n\
                Content-Type: application/json";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{metric}", metric.len());
    stream.write_all(request.as_bytes()).unwrap();
    await_that(|| connections(&server) == 2);
    drop(stream);
    await_that(|| connections(&server) == 1);

    assert_eq!(server.changes(&run_id), [ChangeKind::Created]);
    drop(release);
    await_that(|| server.changes(&run_id) == [ChangeKind::Created, ChangeKind::Logged]);
}

/// The one that asks included.
fn connections(server: &TestServer) -> usize {
    let answer =
        server.exchange(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = String::from_utf8(answer).unwrap();
    let line = answer
        .lines()
        .find_map(|line| line.strip_prefix("mlflow_server_connections "));
    line.unwrap().parse().unwrap()
}

fn await_that(holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "it never happens");
        thread::sleep(Duration::from_millis(5));
    }
}
