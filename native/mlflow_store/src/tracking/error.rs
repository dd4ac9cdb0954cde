//! Why a request was refused, as MLflow's clients are told.

use crate::StoreError;

pub type Result<T> = std::result::Result<T, Refusal>;

/// MLflow's error codes, as far as a tracking server uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    BadRequest,
    InvalidParameterValue,
    /// An invalid parameter value too, for clients that know of error codes alone.
    AttributeNotFound,
    InvalidState,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
    FeatureDisabled,
    PermissionDenied,
    Unauthenticated,
    NotFound,
    NotImplemented,
    RequestLimitExceeded,
    TemporarilyUnavailable,
    InternalError,
}

/// A refusal: MLflow's code, and a message that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub code: Code,
    pub message: String,
}

impl Refusal {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidParameterValue, message)
    }

    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(Code::ResourceDoesNotExist, message)
    }

    pub fn exists(message: impl Into<String>) -> Self {
        Self::new(Code::ResourceAlreadyExists, message)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        use crate::ErrorKind;
        let code = match error.kind {
            ErrorKind::Busy | ErrorKind::Overloaded | ErrorKind::Closed | ErrorKind::Full => {
                Code::TemporarilyUnavailable
            }
            _ => Code::InternalError,
        };
        Self::new(code, error.message)
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        StoreError::from(error).into()
    }
}
