use axum::body::Body;
use axum::extract::Request;
use mlflow_store::tracking::Code;

use super::check;
use crate::config::{Auth, Config};

fn config() -> Config {
    Config::new(([127, 0, 0, 1], 0).into(), "artifacts")
}

fn ask(config: &Config, path: &str, headers: &[(&str, &str)]) -> Result<(), Code> {
    let request = headers
        .iter()
        .fold(Request::builder().uri(path), |request, (name, value)| {
            request.header(*name, *value)
        });
    let request = request.body(Body::empty()).unwrap();
    check(config, &request).map_err(|refusal| refusal.code)
}

fn host(config: &Config, host: &str) -> bool {
    ask(config, "/", &[("host", host)]).is_ok()
}

fn origin(config: &Config, origin: &str) -> bool {
    ask(
        config,
        "/",
        &[("host", "127.0.0.1:5000"), ("origin", origin)],
    )
    .is_ok()
}

#[test]
fn a_name_that_could_be_rebound_must_be_allowed() {
    let config = config();
    for known in [
        "localhost",
        "localhost:5000",
        "LOCALHOST",
        "app.localhost:80",
        "127.0.0.1:5000",
        "192.168.1.7",
        "[::1]:5000",
        "[::1]",
    ] {
        assert!(host(&config, known), "{known}");
    }
    for rebound in [
        "evil.com",
        "localhost.evil.com",
        "evil.com:5000",
        "127.0.0.1.evil.com",
        "",
        "xlocalhost",
    ] {
        assert!(!host(&config, rebound), "{rebound}");
    }
    assert!(ask(&config, "/", &[]).is_err(), "no host");
    let two = [("host", "localhost"), ("host", "evil.com")];
    assert!(ask(&config, "/", &two).is_err());
}

#[test]
fn names_are_allowed_with_or_without_their_port() {
    let mut config = config();
    config.allowed_hosts = vec!["mlflow.example.com".into(), "other:81".into()];
    assert!(host(&config, "mlflow.example.com"));
    assert!(host(&config, "MLFLOW.example.com:5000"));
    assert!(host(&config, "other:81"));
    assert!(!host(&config, "other:82"));
    config.allowed_hosts = vec!["*".into()];
    assert!(host(&config, "anything"));
}

#[test]
fn pages_of_other_sites_may_not_ask() {
    let mut config = config();
    assert!(origin(&config, "http://127.0.0.1:5000"));
    assert!(origin(&config, "http://localhost:3000"));
    assert!(origin(&config, "http://[::1]:3000"));
    for other in [
        "http://evil.com",
        "null",
        "http://localhost.evil.com",
        "file://",
        "",
    ] {
        assert!(!origin(&config, other), "{other}");
    }
    config.allowed_origins = vec!["https://app.example.com".into()];
    assert!(origin(&config, "https://app.example.com"));
    assert!(!origin(&config, "http://app.example.com"));
}

#[test]
fn credentials_must_be_whole() {
    let mut config = config();
    let given = |config: &Config, value: &str| {
        ask(
            config,
            "/",
            &[("host", "localhost"), ("authorization", value)],
        )
    };
    config.auth = Auth::Bearer("secret".into());
    assert_eq!(given(&config, "Bearer secret"), Ok(()));
    assert_eq!(given(&config, "bearer secret"), Ok(()));
    for wrong in [
        "Bearer secre",
        "Bearer secrets",
        "Bearer ",
        "secret",
        "Basic secret",
    ] {
        assert_eq!(given(&config, wrong), Err(Code::Unauthenticated), "{wrong}");
    }

    config.auth = Auth::Basic {
        username: "ada".into(),
        password: "p:w".into(),
    };
    // "ada:p:w", "ada:pw", and no base64.
    assert_eq!(given(&config, "Basic YWRhOnA6dw=="), Ok(()));
    assert_eq!(given(&config, "Basic YWRhOnB3"), Err(Code::Unauthenticated));
    assert_eq!(given(&config, "Basic !"), Err(Code::Unauthenticated));
    assert!(!format!("{config:?}").contains("p:w"));
}

#[test]
fn whether_it_works_may_be_asked_without_credentials() {
    let mut config = config();
    config.auth = Auth::Bearer("secret".into());
    let host = [("host", "localhost")];
    assert_eq!(ask(&config, "/health", &host), Ok(()));
    assert_eq!(ask(&config, "/version", &host), Ok(()));
    for closed in ["/", "/metrics", "/health/", "/api/2.0/mlflow/runs/get"] {
        assert_eq!(
            ask(&config, closed, &host),
            Err(Code::Unauthenticated),
            "{closed}"
        );
    }
}

#[test]
fn there_are_no_workspaces() {
    let config = config();
    let of = |path, name| {
        let headers = [("host", "localhost"), ("x-mlflow-workspace", name)];
        ask(&config, path, &headers)
    };
    let api = "/api/2.0/mlflow/runs/get";
    assert_eq!(of(api, "team"), Err(Code::FeatureDisabled));
    assert_eq!(of(api, "default"), Err(Code::FeatureDisabled));
    assert_eq!(of(api, " "), Ok(()));
    assert_eq!(of("/api/3.0/mlflow/server-info", "team"), Ok(()));
}
