//! One error for everything that can go wrong between a call and its answer.

use std::fmt;
use std::time::Duration;

/// What went wrong, as far as a caller needs to know to decide what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request never left: refused, no such host, proxy unreachable, or the circuit is open.
    Connect,
    /// TLS could not be agreed on.
    Tls,
    /// The connection broke after the request left, so its outcome is unknown.
    ConnectionLost,
    /// No answer before the deadline, so its outcome is unknown.
    Timeout,
    /// No or wrong credentials (401), or no token to be had.
    Unauthenticated,
    /// The credentials do not suffice (403).
    Forbidden,
    /// No such experiment, run or endpoint (404).
    NotFound,
    /// The server, or a check before sending, refused the request's content (400).
    Invalid,
    /// The name is taken.
    AlreadyExists,
    /// Another change got there first (409).
    Conflict,
    /// Too many requests (429), or held back lest there be.
    RateLimited,
    /// The server is there but not able now (502, 503, 504).
    Unavailable,
    /// The server failed (any other 5xx).
    Server,
    /// What answered does not speak MLflow's API.
    NotMlflow,
    /// An MLflow answer that is cut short or malformed.
    BadResponse,
    /// The configuration does not make sense.
    Config,
    /// The local store could not be read or written.
    Store,
    /// More work than the store's buffer holds.
    Overloaded,
    /// The work was given up because its caller went away or the engine stopped.
    Canceled,
    /// Ours to mend.
    Bug,
}

impl ErrorKind {
    /// The name users see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::ConnectionLost => "connection_lost",
            Self::Timeout => "timeout",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Invalid => "invalid",
            Self::AlreadyExists => "already_exists",
            Self::Conflict => "conflict",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Server => "server",
            Self::NotMlflow => "not_mlflow",
            Self::BadResponse => "bad_response",
            Self::Config => "config",
            Self::Store => "store",
            Self::Overloaded => "overloaded",
            Self::Canceled => "canceled",
            Self::Bug => "bug",
        }
    }

    /// Whether the same request may succeed later with nothing changed by the caller.
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Connect
                | Self::ConnectionLost
                | Self::Timeout
                | Self::Conflict
                | Self::RateLimited
                | Self::Unavailable
                | Self::Server
                | Self::NotMlflow
                | Self::BadResponse
                | Self::Store
                | Self::Overloaded
                | Self::Canceled
        )
    }

    /// Whether the server certainly did not act, so that even a request that must not happen twice
    /// may be sent again.
    pub fn is_unprocessed(self) -> bool {
        matches!(self, Self::Connect | Self::RateLimited)
    }
}

/// An error with its story: which operation, what the server said, what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    pub kind: ErrorKind,
    /// The operation as users know it, e.g. `runs/create`.
    pub operation: &'static str,
    /// One sentence or two, ending with what to do where that is known.
    pub message: String,
    /// The HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// MLflow's own `error_code`.
    pub code: Option<String>,
    /// How long the server asked to be left alone, or until an absent one is looked for again.
    pub retry_after: Option<Duration>,
    /// How many times the request was sent.
    pub attempts: u32,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            operation,
            message: message.into(),
            status: None,
            code: None,
            retry_after: None,
            attempts: 0,
        }
    }

    /// Whether the server, or a proxy that waited for it, took too long.
    pub(crate) fn is_timeout(&self) -> bool {
        self.kind == ErrorKind::Timeout || self.status == Some(504)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.message)
    }
}
