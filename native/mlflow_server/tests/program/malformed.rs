//! What is no request is refused, and hurts nobody else.

use serde_json::json;

use crate::process::Server;

const HEAD: &str = "POST /api/2.0/mlflow/experiments/create HTTP/1.1\r\nHost: localhost\r\n\
                    Content-Type: application/json\r\n";

fn refused(server: &Server, request: &[u8]) -> u16 {
    let mut connection = server.connect();
    // The server may hang up before all of it is sent.
    let _ = connection.send(request);
    connection.answer().map_or(0, |(status, _)| status)
}

#[test]
fn malformed_requests_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let with_head = |rest: &[u8]| [HEAD.as_bytes(), rest].concat();
    let cases: [(&str, Vec<u8>, &[u16]); 14] = [
        ("no HTTP", b"\x00\x01garbage\r\n\r\n".into(), &[400]),
        (
            "TLS",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".into(),
            &[400],
        ),
        ("no host", b"GET /version HTTP/1.1\r\n\r\n".into(), &[403]),
        (
            "two hosts",
            b"GET /version HTTP/1.1\r\nHost: localhost\r\nHost: a.b\r\n\r\n".into(),
            &[403],
        ),
        (
            "a length that is none",
            with_head(b"Content-Length: x\r\n\r\n{}"),
            &[400],
        ),
        (
            "a negative length",
            with_head(b"Content-Length: -1\r\n\r\n{}"),
            &[400],
        ),
        (
            "a huge length",
            with_head(b"Content-Length: 99999999999\r\n\r\n{}"),
            &[400],
        ),
        (
            "a chunk that is none",
            with_head(b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n"),
            &[400],
        ),
        (
            "no JSON",
            with_head(b"Content-Length: 5\r\n\r\n{\"nam"),
            &[400],
        ),
        (
            "no UTF-8",
            with_head(b"Content-Length: 12\r\n\r\n{\"name\":\"\xff\"}"),
            &[400],
        ),
        (
            "no object",
            with_head(b"Content-Length: 2\r\n\r\n[]"),
            &[400],
        ),
        (
            "JSON of great depth",
            with_head(&[b"Content-Length: 100000\r\n\r\n", &[b'['; 100_000][..]].concat()),
            &[400],
        ),
        (
            "a huge header",
            [
                b"GET /version HTTP/1.1\r\nHost: localhost\r\nX: ",
                &[b'a'; 1 << 20][..],
            ]
            .concat(),
            // It may hang up on what is still on its way.
            &[431, 0],
        ),
        (
            "a long path",
            [
                b"GET /",
                &[b'a'; 100_000][..],
                b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
            ]
            .concat(),
            &[414, 0],
        ),
    ];
    for (what, request, expected) in cases {
        let status = refused(&server, &request);
        assert!(expected.contains(&status), "{what}: {status}");
    }
    assert_eq!(server.connect().get("/health").unwrap(), (200, json!("OK")));
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--largest-request", "1000"]);
    let mut connection = server.connect();
    let name = json!({"name": "a".repeat(2_000)});
    let (status, answer) = connection.post("experiments/create", &name).unwrap();
    assert_eq!(status, 400);
    assert!(answer["message"].as_str().unwrap().contains("1000 bytes"));

    // Its length is not told beforehand.
    let chunk = format!(
        "{HEAD}Transfer-Encoding: chunked\r\n\r\n800\r\n{}\r\n",
        "a".repeat(0x800)
    );
    assert_eq!(refused(&server, chunk.as_bytes()), 400);
}

#[test]
fn slow_clients_hold_nobody_up_and_are_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--request-timeout", "1"]);
    let mut slow: Vec<_> = (0..200)
        .map(|_| {
            let mut connection = server.connect();
            let request = format!("{HEAD}Content-Length: 1000\r\n\r\n{{");
            connection.send(request.as_bytes()).unwrap();
            connection
        })
        .collect();
    let (status, _) = server.connect().get("/health").unwrap();
    assert_eq!(status, 200);
    for connection in &mut slow {
        assert_eq!(connection.answer().unwrap().0, 503);
    }
}

#[test]
fn a_stop_waits_for_requests_but_not_for_connections() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let mut idle = server.connect();
    idle.get("/health").unwrap();
    let mut late = server.connect();
    let body = json!({"name": "late"}).to_string();
    late.send(format!("{HEAD}Content-Length: {}\r\n\r\n", body.len()).as_bytes())
        .unwrap();

    let stopping = std::thread::spawn(move || server.terminate());
    // Its end is what tells that the server has seen the signal.
    assert!(idle.answer().is_err());
    late.send(body.as_bytes()).unwrap();
    assert_eq!(late.answer().unwrap().0, 200);
    let (status, errors) = stopping.join().unwrap();
    assert!(status.success(), "{errors}");
}
