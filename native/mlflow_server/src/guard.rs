//! Who asks, and from where: credentials, and the `Host` and `Origin` that a browser cannot be talked
//! into forging (<https://owasp.org/www-community/attacks/DNS_Rebinding>).

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use mlflow_store::tracking::{Code, Refusal};
use subtle::ConstantTimeEq;

use crate::answer::refuse;
use crate::app::App;
use crate::config::{Auth, Config};

pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = match check(app.config(), &request) {
        Err(refusal) => return refused(&refusal),
        Ok(()) if is_preflight(&request) => preflight(),
        Ok(()) => next.run(request).await,
    };
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

fn check(config: &Config, request: &Request) -> Result<(), Refusal> {
    let headers = request.headers();
    let host = host(request);
    if !host.is_some_and(|host| allows_host(config, host)) {
        return Err(Refusal::new(
            Code::PermissionDenied,
            "Requests must be addressed to localhost, to an IP address or to an allowed host: \
             name this one in `allowed_hosts` if it is right.",
        ));
    }
    if !allows_origin(config, headers, host) {
        return Err(Refusal::new(
            Code::PermissionDenied,
            "Pages of this origin may not ask: name it in `allowed_origins` if they should.",
        ));
    }
    let is_open = matches!(request.uri().path(), "/health" | "/version");
    if is_open || is_preflight(request) {
        return Ok(());
    }
    if !knows(&config.auth, headers) {
        return Err(Refusal::new(
            Code::Unauthenticated,
            "Credentials are needed: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, \
             or MLFLOW_TRACKING_TOKEN, as the server expects.",
        ));
    }
    check_workspace(request)
}

/// There are none: what a client means for one of them must not end up among everything else. Asking
/// whether there are any is open to all.
fn check_workspace(request: &Request) -> Result<(), Refusal> {
    let named = request.headers().get("x-mlflow-workspace");
    let names_one = named.is_some_and(|name| !name.as_bytes().trim_ascii().is_empty());
    let path = request.uri().path().trim_end_matches('/');
    if !names_one || path.ends_with("/mlflow/server-info") {
        return Ok(());
    }
    Err(Refusal::new(
        Code::FeatureDisabled,
        "Workspace APIs are not available: workspaces are not enabled on this server",
    ))
}

fn refused(refusal: &Refusal) -> Response {
    let mut response = refuse(refusal);
    if response.status() == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Basic realm=\"mlflow\"");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// HTTP/1.1 says it in a header, and a proxy's request in the URI. Two of them are none: who reads
/// the other one would think of another server.
fn host(request: &Request) -> Option<&str> {
    let mut headers = request.headers().get_all(header::HOST).iter();
    match (headers.next(), headers.next()) {
        (Some(host), None) => host.to_str().ok(),
        (None, _) => request
            .uri()
            .authority()
            .map(|authority| authority.as_str()),
        (Some(_), Some(_)) => None,
    }
}

/// An address cannot be rebound, and a browser keeps `localhost` to itself.
fn allows_host(config: &Config, host: &str) -> bool {
    let name = without_port(host).to_ascii_lowercase();
    is_address(&name)
        || name == "localhost"
        || name.ends_with(".localhost")
        || config.allowed_hosts.iter().any(|allowed| {
            allowed == "*"
                || allowed.eq_ignore_ascii_case(host)
                || allowed.eq_ignore_ascii_case(&name)
        })
}

/// Whoever is no browser sends none.
fn allows_origin(config: &Config, headers: &HeaderMap, host: Option<&str>) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_some_and(|authority| Some(authority) == host || is_loopback(authority))
        || config
            .allowed_origins
            .iter()
            .any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
}

fn is_loopback(authority: &str) -> bool {
    let name = without_port(authority);
    let address: Option<IpAddr> = name.trim_matches(['[', ']']).parse().ok();
    name == "localhost" || address.is_some_and(|address| address.is_loopback())
}

fn is_address(name: &str) -> bool {
    name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    }
}

fn knows(auth: &Auth, headers: &HeaderMap) -> bool {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let (scheme, credentials) = given
        .and_then(|value| value.split_once(' '))
        .unwrap_or_default();
    match auth {
        Auth::Anyone => true,
        Auth::Bearer(token) => {
            scheme.eq_ignore_ascii_case("bearer") && same(credentials.as_bytes(), token.as_bytes())
        }
        Auth::Basic { username, password } => {
            let expected = format!("{username}:{password}");
            let given = BASE64_STANDARD.decode(credentials).unwrap_or_default();
            scheme.eq_ignore_ascii_case("basic") && same(&given, expected.as_bytes())
        }
    }
}

/// In a time that does not tell how much of it is right.
fn same(given: &[u8], expected: &[u8]) -> bool {
    given.ct_eq(expected).into()
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let methods = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    let allowed = HeaderValue::from_static("authorization, content-type, x-mlflow-workspace");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    response
}

#[cfg(test)]
mod tests;
