//! Answers that are not what they should be.

use mlflow_core::ErrorKind;
use mlflow_core::client::{Client, ClientConfig};
use serde_json::json;

use super::support::{Reply, Server};
use super::{RUN, config};

/// The error that one reply leads to, with no second try.
async fn error_of(reply: Reply) -> mlflow_core::Error {
    let server = Server::start([reply]).await;
    let client = Client::new(ClientConfig {
        max_retries: 0,
        ..config(&server)
    })
    .unwrap();
    let error = client.get_run(RUN).await.unwrap_err();
    server.finish();
    error
}

#[tokio::test]
async fn a_page_is_not_mlflow() {
    let page = format!(
        "<!doctype html>\r\n <title>Welcome</title>{}",
        "x".repeat(10_000)
    );
    for reply in [
        Reply::html(200, &page),
        Reply::html(404, &page),
        Reply::html(400, &page),
    ] {
        let error = error_of(reply).await;
        assert_eq!(error.kind, ErrorKind::NotMlflow, "{error}");
        assert!(error.message.contains("check tracking_uri"), "{error}");
        assert!(error.message.contains("<title>Welcome</title>"), "{error}");
        assert!(error.message.len() < 500, "{error}");
    }
}

#[tokio::test]
async fn other_apis_are_not_mlflow_either() {
    let not_found = Reply::new(404, "application/json", r#"{"detail":"Not Found"}"#);
    assert_eq!(error_of(not_found).await.kind, ErrorKind::NotMlflow);
    let list = Reply::new(200, "application/json", "[1, 2]");
    assert_eq!(error_of(list).await.kind, ErrorKind::NotMlflow);
    let missing = Reply::error(404, "RESOURCE_DOES_NOT_EXIST", "Run not found");
    let error = error_of(missing).await;
    assert_eq!((error.kind, error.status), (ErrorKind::NotFound, Some(404)));
    assert_eq!(error.to_string(), "runs/get: Run not found");
}

#[tokio::test]
async fn a_page_in_place_of_an_error_keeps_the_status() {
    for (status, kind) in [
        (401, ErrorKind::Unauthenticated),
        (403, ErrorKind::Forbidden),
        (413, ErrorKind::Invalid),
        (429, ErrorKind::RateLimited),
        (500, ErrorKind::Server),
        (502, ErrorKind::Unavailable),
        (503, ErrorKind::Unavailable),
        (504, ErrorKind::Unavailable),
    ] {
        let error = error_of(Reply::html(status, "<html>nginx</html>")).await;
        assert_eq!((error.kind, error.status), (kind, Some(status)), "{error}");
        assert!(error.message.contains("nginx"), "{error}");
    }
}

#[tokio::test]
async fn the_code_counts_for_more_than_the_status() {
    for (status, code, kind) in [
        (400, "RESOURCE_ALREADY_EXISTS", ErrorKind::AlreadyExists),
        (400, "RESOURCE_DOES_NOT_EXIST", ErrorKind::NotFound),
        (400, "BAD_REQUEST", ErrorKind::Invalid),
        (400, "REQUEST_LIMIT_EXCEEDED", ErrorKind::RateLimited),
        (500, "INVALID_PARAMETER_VALUE", ErrorKind::Invalid),
        (400, "INTERNAL_ERROR", ErrorKind::Server),
        (503, "SOMETHING_NEW", ErrorKind::Unavailable),
    ] {
        let error = error_of(Reply::error(status, code, "why")).await;
        assert_eq!(
            (error.kind, error.code.as_deref()),
            (kind, Some(code)),
            "{error}"
        );
        assert_eq!(error.message, "why");
    }
}

#[tokio::test]
async fn a_malformed_answer_says_what_is_wrong_with_it() {
    for (reply, problem) in [
        (
            Reply::new(200, "application/json", r#"{"run":{"info""#),
            "EOF",
        ),
        (Reply::new(200, "application/json", ""), "empty"),
        (
            Reply::json(json!({"run": {"info": {"experiment_id": "7"}}})),
            "lacks run_id",
        ),
        (
            Reply::json(json!({"run": {"info": {"run_id": 7}}})),
            "invalid type",
        ),
        (
            Reply::new(200, "application/json", b"{\"run\":\"\xff\"}".to_vec()),
            "cannot be read",
        ),
    ] {
        let error = error_of(reply).await;
        assert_eq!(
            (error.kind, error.attempts),
            (ErrorKind::BadResponse, 1),
            "{error}"
        );
        assert!(error.message.contains(problem), "{problem} in {error}");
    }
}

#[tokio::test]
async fn a_redirect_is_named_but_not_followed() {
    let login = "https://ada:s3cret@login.test/sign-in?state=s3cret";
    let error = error_of(Reply::html(302, "").header("Location", login)).await;
    assert_eq!(
        (error.kind, error.status),
        (ErrorKind::NotMlflow, Some(302))
    );
    assert!(
        error.message.contains("https://login.test/sign-in,"),
        "{error}"
    );
    assert!(!error.message.contains("s3cret"), "{error}");
}

#[tokio::test]
async fn messages_are_bounded_and_printable() {
    let message = format!("line\u{1b}[31m\r\n{}", "long ".repeat(10_000));
    let error = error_of(Reply::error(400, "INVALID_PARAMETER_VALUE", &message)).await;
    assert!(error.message.starts_with("line [31m long long"), "{error}");
    assert!(error.message.len() < 700);
}

#[tokio::test]
async fn an_endless_answer_is_refused() {
    let server = Server::start([Reply::json(json!({"run": "x".repeat(10_000)}))]).await;
    let client = Client::new(ClientConfig {
        max_retries: 0,
        max_response_bytes: 1000,
        ..config(&server)
    })
    .unwrap();
    let error = client.get_run(RUN).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadResponse);
    assert!(error.message.contains("max_response_bytes"), "{error}");
    server.finish();
}

#[tokio::test]
async fn health_and_version_are_recognised() {
    let page = || Reply::html(200, "<html>OK</html>");
    let server = Server::start([page(), page(), Reply::text("3.17.2 <b>")]).await;
    let client = Client::new(config(&server)).unwrap();
    assert_eq!(
        client.health().await.unwrap_err().kind,
        ErrorKind::NotMlflow
    );
    assert_eq!(
        client.version().await.unwrap_err().kind,
        ErrorKind::NotMlflow
    );
    assert_eq!(
        client.version().await.unwrap_err().kind,
        ErrorKind::NotMlflow
    );
    server.finish();
}
