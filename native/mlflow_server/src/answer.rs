//! What is sent back: JSON in MLflow's shape, or its error in one.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use mlflow_store::tracking::{Code, Refusal};
use serde::Serialize;

/// An answer that is JSON already.
pub struct Answer(Vec<u8>);

pub type Answered = Result<Answer, Refusal>;

impl Answer {
    /// `{}`, which is what MLflow says when there is nothing to say.
    pub fn empty() -> Self {
        Self(b"{}".to_vec())
    }

    pub fn json(body: &impl Serialize) -> Answered {
        serde_json::to_vec(body)
            .map(Self)
            .map_err(|error| Refusal::new(Code::InternalError, error.to_string()))
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// `{name: body}`
    pub fn named(name: &'static str, body: &impl Serialize) -> Answered {
        Self::json(&std::collections::BTreeMap::from([(name, body)]))
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.0));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

/// MLflow's error code, kept beside the response for the logs.
#[derive(Clone, Copy)]
pub struct Refused(pub &'static str);

#[derive(Serialize)]
struct ErrorBody<'a> {
    error_code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sqlstate: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_class: Option<&'static str>,
}

pub fn refuse(refusal: &Refusal) -> Response {
    let Wire {
        status,
        name,
        sqlstate,
        error_class,
    } = wire(refusal.code);
    let body = ErrorBody {
        error_code: name,
        message: &refusal.message,
        sqlstate,
        error_class,
    };
    let mut response = match Answer::json(&body) {
        Ok(answer) => answer.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    *response.status_mut() = status;
    response.extensions_mut().insert(Refused(name));
    response
}

struct Wire {
    status: StatusCode,
    name: &'static str,
    sqlstate: Option<&'static str>,
    error_class: Option<&'static str>,
}

fn wire(code: Code) -> Wire {
    let (status, name, sqlstate, error_class) = match code {
        Code::BadRequest => (StatusCode::BAD_REQUEST, "BAD_REQUEST", None, None),
        Code::InvalidParameterValue => (
            StatusCode::BAD_REQUEST,
            "INVALID_PARAMETER_VALUE",
            Some("KAM00"),
            Some("INVALID_PARAMETER_VALUE"),
        ),
        Code::InvalidState => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "INVALID_STATE",
            None,
            None,
        ),
        Code::ResourceAlreadyExists => (
            StatusCode::BAD_REQUEST,
            "RESOURCE_ALREADY_EXISTS",
            None,
            None,
        ),
        Code::ResourceDoesNotExist => {
            (StatusCode::NOT_FOUND, "RESOURCE_DOES_NOT_EXIST", None, None)
        }
        Code::PermissionDenied => (StatusCode::FORBIDDEN, "PERMISSION_DENIED", None, None),
        Code::Unauthenticated => (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", None, None),
        Code::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND", None, None),
        Code::NotImplemented => (StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", None, None),
        Code::RequestLimitExceeded => (
            StatusCode::TOO_MANY_REQUESTS,
            "REQUEST_LIMIT_EXCEEDED",
            None,
            None,
        ),
        Code::TemporarilyUnavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "TEMPORARILY_UNAVAILABLE",
            None,
            None,
        ),
        Code::InternalError => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL_ERROR",
            None,
            None,
        ),
    };
    Wire {
        status,
        name,
        sqlstate,
        error_class,
    }
}
