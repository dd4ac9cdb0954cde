//! The one error, as the exception Elixir knows.

use mlflow_core::{Error, ErrorKind};
use mlflow_outbox::OutboxError;
use mlflow_server::StartError;
use mlflow_store::StoreError;
use rustler::{Atom, Encoder, Env, NifException, Term};

#[derive(NifException)]
#[module = "MLflow.Error"]
#[rustler(encode)]
pub struct ErrorTerm {
    kind: KindTerm,
    operation: String,
    message: String,
    status: Option<u16>,
    code: Option<String>,
    retry_after: Option<u64>,
    retryable: bool,
    attempts: u32,
}

impl From<Error> for ErrorTerm {
    fn from(error: Error) -> Self {
        Self {
            kind: KindTerm(error.kind.name()),
            operation: error.operation.to_owned(),
            message: error.message,
            status: error.status,
            code: error.code,
            retry_after: error.retry_after.map(|wait| wait.as_millis() as u64),
            retryable: error.kind.is_transient(),
            attempts: error.attempts,
        }
    }
}

impl From<StoreError> for ErrorTerm {
    fn from(error: StoreError) -> Self {
        let kind = match error.kind {
            mlflow_store::ErrorKind::NotFound => ErrorKind::NotFound,
            mlflow_store::ErrorKind::Invalid => ErrorKind::Invalid,
            mlflow_store::ErrorKind::Taken => ErrorKind::AlreadyExists,
            mlflow_store::ErrorKind::Changed => ErrorKind::Conflict,
            mlflow_store::ErrorKind::Overloaded => ErrorKind::Overloaded,
            mlflow_store::ErrorKind::Internal => ErrorKind::Bug,
            _ => ErrorKind::Store,
        };
        Error::new(kind, "store", error.message).into()
    }
}

impl From<OutboxError> for ErrorTerm {
    fn from(error: OutboxError) -> Self {
        let kind = match error.kind {
            mlflow_outbox::ErrorKind::Overloaded => ErrorKind::Overloaded,
            mlflow_outbox::ErrorKind::Invalid | mlflow_outbox::ErrorKind::Closed => {
                ErrorKind::Invalid
            }
            _ => ErrorKind::Store,
        };
        Error::new(kind, "outbox", error.message).into()
    }
}

impl From<StartError> for ErrorTerm {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Store(error) => error.into(),
            StartError::Listen { .. } => {
                Error::new(ErrorKind::Config, "server", error.to_string()).into()
            }
            error => Error::new(ErrorKind::Store, "server", error.to_string()).into(),
        }
    }
}

/// A kind's atom; the names are a closed set of our own.
struct KindTerm(&'static str);

impl Encoder for KindTerm {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match Atom::from_str(env, self.0) {
            Ok(atom) => atom.encode(env),
            Err(_) => self.0.encode(env),
        }
    }
}
