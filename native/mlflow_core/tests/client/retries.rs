//! When a request is sent again, and when it must not be.

use std::time::{Duration, Instant};

use mlflow_core::ErrorKind;
use mlflow_core::api::CreateRun;
use mlflow_core::client::{Client, ClientConfig, RequestCounts, SessionOptions};
use serde_json::json;

use super::support::{Reply, Server};
use super::{RUN, client, config};

fn new_run() -> CreateRun {
    CreateRun {
        experiment_id: "7".to_owned(),
        ..CreateRun::default()
    }
}

fn created() -> Reply {
    Reply::json(json!({"run": {"info": {"run_id": RUN, "experiment_id": "7"}}}))
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    for failure in [
        Reply::error(429, "REQUEST_LIMIT_EXCEEDED", "slow down"),
        Reply::error(500, "INTERNAL_ERROR", "oops"),
        Reply::error(503, "TEMPORARILY_UNAVAILABLE", "later"),
        Reply::html(502, "<html>Bad Gateway</html>"),
        Reply::html(408, ""),
        Reply::new(200, "application/json", "{\"cut"),
        Reply::hang_up(),
        Reply::json(json!({"a": "long body that does not arrive"})).cut_after(80),
    ] {
        let server = Server::start([failure.clone(), Reply::done()]).await;
        let client = client(&server);
        client
            .delete_run(RUN)
            .await
            .unwrap_or_else(|error| panic!("{failure:?}: {error}"));
        assert_eq!(
            client.requests(),
            RequestCounts {
                reads: 0,
                writes: 2
            }
        );
        let requests = server.finish();
        assert_eq!(requests[0].body, requests[1].body);
    }
}

#[tokio::test]
async fn what_will_not_pass_is_not() {
    for (failure, kind) in [
        (
            Reply::error(400, "INVALID_PARAMETER_VALUE", "no"),
            ErrorKind::Invalid,
        ),
        (
            Reply::error(404, "RESOURCE_DOES_NOT_EXIST", "no"),
            ErrorKind::NotFound,
        ),
        (
            Reply::error(401, "UNAUTHENTICATED", "no"),
            ErrorKind::Unauthenticated,
        ),
        (
            Reply::error(403, "PERMISSION_DENIED", "no"),
            ErrorKind::Forbidden,
        ),
        (
            Reply::error(409, "RESOURCE_CONFLICT", "no"),
            ErrorKind::Conflict,
        ),
        (
            Reply::html(200, "<html>Sign in</html>"),
            ErrorKind::NotMlflow,
        ),
    ] {
        let server = Server::start([failure]).await;
        let error = client(&server).delete_run(RUN).await.unwrap_err();
        assert_eq!((error.kind, error.attempts), (kind, 1), "{error}");
        server.finish();
    }
}

#[tokio::test]
async fn a_run_is_not_made_twice() {
    for (failure, kind) in [
        (
            Reply::error(500, "INTERNAL_ERROR", "oops"),
            ErrorKind::Server,
        ),
        (
            Reply::error(503, "TEMPORARILY_UNAVAILABLE", "later"),
            ErrorKind::Unavailable,
        ),
        (Reply::hang_up(), ErrorKind::ConnectionLost),
        (created().cut_after(100), ErrorKind::ConnectionLost),
        (Reply::json(json!({"run": {}})), ErrorKind::BadResponse),
    ] {
        let server = Server::start([failure]).await;
        let client = client(&server);
        let error = client.create_run(&new_run()).await.unwrap_err();
        assert_eq!((error.kind, error.attempts), (kind, 1), "{error}");
        assert!(!error.kind.is_unprocessed());
        assert_eq!(
            client.requests(),
            RequestCounts {
                reads: 0,
                writes: 1
            }
        );
        server.finish();
    }
}

#[tokio::test]
async fn a_run_that_was_not_made_is_tried_again() {
    let server = Server::start([
        Reply::error(429, "REQUEST_LIMIT_EXCEEDED", "slow down"),
        created(),
    ])
    .await;
    let run = client(&server).create_run(&new_run()).await.unwrap();
    assert_eq!(run.run_id, RUN);
    server.finish();
}

#[tokio::test]
async fn the_last_error_tells_the_story() {
    let failure = Reply::error(503, "TEMPORARILY_UNAVAILABLE", "the database is away");
    let server = Server::start(vec![failure; 3]).await;
    let error = client(&server).get_run(RUN).await.unwrap_err();
    assert_eq!((error.kind, error.attempts), (ErrorKind::Unavailable, 3));
    assert_eq!(error.status, Some(503));
    assert_eq!(error.code.as_deref(), Some("TEMPORARILY_UNAVAILABLE"));
    let told = error.to_string();
    assert!(
        told.starts_with("runs/get: the database is away (3 attempts in 0."),
        "{told}"
    );
    server.finish();
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_and_named() {
    let server = Server::start([]).await;
    let config = config(&server);
    let address = server.address;
    server.finish();
    // The port is closed once the accepting task has let go of it.
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let error = Client::new(config)
        .unwrap()
        .create_run(&new_run())
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.attempts), (ErrorKind::Connect, 3));
    for part in [
        &address.to_string(),
        "refused",
        "is the MLflow server running",
    ] {
        assert!(error.message.contains(part), "{part:?} in {error}");
    }
}

#[tokio::test]
async fn the_server_is_left_alone_for_as_long_as_it_asked() {
    let wait = Reply::error(429, "REQUEST_LIMIT_EXCEEDED", "slow down").header("Retry-After", "1");
    let server = Server::start([wait, Reply::done()]).await;
    let started = Instant::now();
    client(&server).delete_run(RUN).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
    server.finish();
}

#[tokio::test]
async fn a_wait_beyond_the_deadline_is_left_to_the_caller() {
    let date = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(60));
    for (value, least, most) in [("60", 60, 60), (date.as_str(), 55, 60)] {
        let wait =
            Reply::error(429, "REQUEST_LIMIT_EXCEEDED", "slow down").header("Retry-After", value);
        let server = Server::start([wait]).await;
        let started = Instant::now();
        let error = client(&server).delete_run(RUN).await.unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(1));
        assert_eq!((error.kind, error.attempts), (ErrorKind::RateLimited, 1));
        let asked = error.retry_after.unwrap().as_secs();
        assert!((least..=most).contains(&asked), "{asked}");
        server.finish();
    }
}

#[tokio::test]
async fn an_attempt_has_its_time_from_the_first_byte_to_the_last() {
    let late = Duration::from_secs(30);
    for slow in [Reply::done().after(late), Reply::done().body_after(late)] {
        let server = Server::start([slow.clone(), Reply::done(), slow]).await;
        let client = Client::new(ClientConfig {
            attempt_timeout: Duration::from_millis(100),
            ..config(&server)
        })
        .unwrap();
        client.delete_run(RUN).await.unwrap();
        let error = client.create_run(&new_run()).await.unwrap_err();
        assert_eq!(
            (error.kind, error.attempts),
            (ErrorKind::Timeout, 1),
            "{error}"
        );
        assert!(
            error.message.contains("gave no answer within 0.1 s"),
            "{error}"
        );
        server.finish();
    }
}

#[tokio::test]
async fn the_whole_call_has_its_time_too() {
    let slow = Reply::done().after(Duration::from_secs(30));
    let server = Server::start([Reply::error(500, "INTERNAL_ERROR", "oops"), slow]).await;
    let session = client(&server).session(SessionOptions {
        total_timeout: Some(Duration::from_millis(200)),
        ..SessionOptions::default()
    });
    let started = Instant::now();
    let error = session.get_run(RUN).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!((error.kind, error.attempts), (ErrorKind::Timeout, 2));
    assert!(error.message.contains("before that: oops"), "{error}");
    server.finish();
}

#[tokio::test]
async fn nothing_is_sent_when_the_time_is_over() {
    let server = Server::start([]).await;
    let session = client(&server).session(SessionOptions {
        total_timeout: Some(Duration::ZERO),
        ..SessionOptions::default()
    });
    let error = session.get_run(RUN).await.unwrap_err();
    assert_eq!((error.kind, error.attempts), (ErrorKind::Timeout, 0));
    assert_eq!(session.requests(), RequestCounts::default());
    server.finish();
}
