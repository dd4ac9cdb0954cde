//! What a response means: an answer, MLflow's refusal, or something that is not MLflow.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use serde::Deserialize;

use super::auth::Authorization;
use super::config::without_userinfo;
use super::text;
use super::transport::Response;
use crate::error::{Error, ErrorKind, Result};

/// Why a successful response's body is not the answer it should be.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// No MLflow server answers like that.
    Foreign,
    /// MLflow's, but not whole.
    Malformed(String),
}

/// No server keeps us waiting for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// Turns the body of a successful response into what it says.
pub(crate) type Reader<T> = fn(&[u8]) -> std::result::Result<T, Unreadable>;

/// `url` is where the response came from, for messages; what it echoes of `authorization` does not
/// get into them.
pub(super) fn read<T>(
    operation: &'static str,
    url: &str,
    response: Response,
    authorization: Option<&Authorization>,
    reader: Reader<T>,
) -> Result<T> {
    let status = response.status;
    let unreadable = if status.is_success() {
        match reader(&response.body) {
            Ok(answer) => return Ok(answer),
            Err(unreadable) => Some(unreadable),
        }
    } else {
        None
    };
    // Before anything is cut short, or else the beginning of a token could remain.
    let hide = |text: &str| match authorization {
        Some(authorization) => authorization.hide_in(text),
        None => text.to_owned(),
    };
    let body = hide(&String::from_utf8_lossy(&response.body)).into();
    let response = Response { body, ..response };
    let error = match unreadable {
        Some(Unreadable::Foreign) => foreign(operation, url, &response),
        Some(Unreadable::Malformed(problem)) => {
            let problem = text::message(&hide(&problem));
            let message = format!("{url} gave an answer that cannot be read: {problem}");
            Error::new(ErrorKind::BadResponse, operation, message)
        }
        None if status.is_redirection() => redirected(operation, url, &response),
        None => refused(operation, url, &response),
    };
    Err(Error {
        status: Some(status.as_u16()),
        ..error
    })
}

fn foreign(operation: &'static str, url: &str, response: &Response) -> Error {
    let message = format!(
        "what answers at {url} is not MLflow's API; check tracking_uri. It said {}: {:?}",
        response.status,
        text::snippet(&response.body)
    );
    Error::new(ErrorKind::NotMlflow, operation, message)
}

fn redirected(operation: &'static str, url: &str, response: &Response) -> Error {
    let location = response
        .headers
        .get(LOCATION)
        .and_then(|value| value.to_str().ok());
    let place = match location {
        // What follows the path may be a login's state, which is nobody's business.
        Some(location) => {
            let path = location.split(['?', '#']).next().unwrap_or_default();
            text::message(&without_userinfo(path))
        }
        None => "nowhere".to_owned(),
    };
    let message = format!(
        "{url} redirects to {place}, which is not followed; set tracking_uri to the MLflow server \
         itself, and check that a login page is not in the way"
    );
    Error::new(ErrorKind::NotMlflow, operation, message)
}

fn refused(operation: &'static str, url: &str, response: &Response) -> Error {
    #[derive(Default, Deserialize)]
    struct Refusal {
        error_code: Option<String>,
        message: Option<String>,
    }

    let status = response.status;
    let refusal: Refusal = serde_json::from_slice(&response.body).unwrap_or_default();
    let code = refusal.error_code.filter(|code| !code.is_empty());
    let kind = match code.as_deref() {
        Some(code) => kind_of_code(code).unwrap_or_else(|| kind_of_status(status)),
        None if has_no_api(response) => return foreign(operation, url, response),
        None => kind_of_status(status),
    };
    let mut message = match refusal.message.filter(|message| !message.is_empty()) {
        Some(message) => text::message(&message),
        None => match text::snippet(&response.body) {
            said if said.is_empty() => format!("{url} answered {status}"),
            said => format!("{url} answered {status}: {said:?}"),
        },
    };
    message += match kind {
        ErrorKind::Unauthenticated => "; check the username and password, or the token",
        ErrorKind::Forbidden => "; check what these credentials may do on the server",
        _ => "",
    };
    Error {
        code: code.map(|code| text::message(&code)),
        retry_after: retry_after(response),
        ..Error::new(kind, operation, message)
    }
}

/// MLflow names an error code with whatever it cannot find. A bare "not found", or a page in place
/// of a refusal, comes from something else.
fn has_no_api(response: &Response) -> bool {
    match response.status {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => true,
        StatusCode::BAD_REQUEST => is_html(response),
        _ => false,
    }
}

fn is_html(response: &Response) -> bool {
    let declared = response
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    declared.is_some_and(|kind| kind.starts_with("text/html"))
        || response.body.trim_ascii_start().starts_with(b"<")
}

fn kind_of_code(code: &str) -> Option<ErrorKind> {
    Some(match code {
        "RESOURCE_DOES_NOT_EXIST" => ErrorKind::NotFound,
        "INVALID_PARAMETER_VALUE" | "BAD_REQUEST" | "MALFORMED_REQUEST" => ErrorKind::Invalid,
        "RESOURCE_ALREADY_EXISTS" => ErrorKind::AlreadyExists,
        "RESOURCE_CONFLICT" => ErrorKind::Conflict,
        "PERMISSION_DENIED" => ErrorKind::Forbidden,
        "UNAUTHENTICATED" => ErrorKind::Unauthenticated,
        "REQUEST_LIMIT_EXCEEDED" => ErrorKind::RateLimited,
        "TEMPORARILY_UNAVAILABLE" => ErrorKind::Unavailable,
        "INTERNAL_ERROR" => ErrorKind::Server,
        _ => return None,
    })
}

fn kind_of_status(status: StatusCode) -> ErrorKind {
    match status.as_u16() {
        401 => ErrorKind::Unauthenticated,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        407 => ErrorKind::Config,
        408 => ErrorKind::Timeout,
        409 => ErrorKind::Conflict,
        429 => ErrorKind::RateLimited,
        400..=499 => ErrorKind::Invalid,
        502..=504 => ErrorKind::Unavailable,
        500..=599 => ErrorKind::Server,
        _ => ErrorKind::NotMlflow,
    }
}

/// Seconds, or the date when they are over.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = httpdate::parse_http_date(value).ok()?;
            date.duration_since(SystemTime::now()).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}
