//! What can go wrong, and what to do about it.

use std::io;
use std::path::Path;

pub type Result<T> = std::result::Result<T, OutboxError>;

/// Why the outbox refused; [`message`](Self::message) says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OutboxError {
    pub kind: ErrorKind,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// As much as may wait does wait. Nothing was written.
    Overloaded,
    /// The disk is full. Nothing was half-written.
    Full,
    /// The operating system refused to read or write.
    Io,
    /// An entry that cannot be kept.
    Invalid,
    /// The log was closed, delivered and removed.
    Closed,
}

impl OutboxError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn closed() -> Self {
        let message = "this log is closed and all of it delivered: start a new logger";
        Self::new(ErrorKind::Closed, message)
    }

    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        let path = path.display();
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::new(
                ErrorKind::Full,
                format!("there is no room for {path} ({error}): free some on its disk"),
            ),
            _ => Self::new(
                ErrorKind::Io,
                format!("{path} cannot be used ({error}): check that it exists and can be written"),
            ),
        }
    }
}

/// Names the file in whatever the operating system complains of.
pub(crate) trait At<T> {
    fn at(self, path: &Path) -> Result<T>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T> {
        self.map_err(|error| OutboxError::io(path, &error))
    }
}
