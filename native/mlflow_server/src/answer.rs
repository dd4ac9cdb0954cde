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

/// Whose mistake it was, in the words of MLflow's newer clients.
const CALLER: Option<&str> = Some("KAM00");
const SERVER: Option<&str> = Some("XXM00");

fn wire(code: Code) -> Wire {
    let (status, name, sqlstate, error_class) = match code {
        Code::BadRequest => (400, "BAD_REQUEST", CALLER, Some("INVALID_PARAMETER_VALUE")),
        Code::InvalidParameterValue => (
            400,
            "INVALID_PARAMETER_VALUE",
            CALLER,
            Some("INVALID_PARAMETER_VALUE"),
        ),
        Code::AttributeNotFound => (
            400,
            "INVALID_PARAMETER_VALUE",
            Some("KAM04"),
            Some("ATTRIBUTE_NOT_FOUND"),
        ),
        Code::InvalidState => (500, "INVALID_STATE", SERVER, Some("CLIENT_INTERNAL_ERROR")),
        Code::ResourceAlreadyExists => (
            400,
            "RESOURCE_ALREADY_EXISTS",
            CALLER,
            Some("RESOURCE_ALREADY_EXISTS"),
        ),
        Code::ResourceDoesNotExist => (
            404,
            "RESOURCE_DOES_NOT_EXIST",
            CALLER,
            Some("RESOURCE_NOT_FOUND"),
        ),
        Code::FeatureDisabled => (500, "FEATURE_DISABLED", CALLER, Some("FEATURE_DISABLED")),
        Code::PermissionDenied => (403, "PERMISSION_DENIED", CALLER, Some("PERMISSION_DENIED")),
        Code::Unauthenticated => (401, "UNAUTHENTICATED", None, None),
        Code::NotFound => (404, "NOT_FOUND", CALLER, Some("RESOURCE_NOT_FOUND")),
        Code::NotImplemented => (501, "NOT_IMPLEMENTED", None, None),
        Code::RequestLimitExceeded => (429, "REQUEST_LIMIT_EXCEEDED", None, None),
        Code::TemporarilyUnavailable => (
            503,
            "TEMPORARILY_UNAVAILABLE",
            SERVER,
            Some("CLIENT_INTERNAL_ERROR"),
        ),
        Code::InternalError => (500, "INTERNAL_ERROR", SERVER, Some("CLIENT_INTERNAL_ERROR")),
    };
    Wire {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        name,
        sqlstate,
        error_class,
    }
}
