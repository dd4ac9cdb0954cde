//! What can go wrong, and what to do about it.

use rusqlite::ErrorCode;
use rusqlite::ffi;

pub type Result<T> = std::result::Result<T, StoreError>;

/// Why the store refused; [`message`](Self::message) says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    pub kind: ErrorKind,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The disk, or the database's own size limit, is full. Nothing was half-written.
    Full,
    /// Not an SQLite database, a damaged one, or another application's.
    Corrupt,
    /// The schema was written by a newer version of this library.
    Newer,
    /// Another process held the database for longer than the store waits.
    Busy,
    NotFound,
    /// An unknown column, a value of the wrong type, or a missing key.
    Invalid,
    /// Another row already has this value of a unique column.
    Taken,
    /// Somebody wrote the row since it was read.
    Changed,
    /// The store was closed.
    Closed,
    /// The queue to the writer thread is full.
    Overloaded,
    /// The operating system refused to read or write the file.
    Io,
    /// A bug in this library, or in work handed to it.
    Internal,
}

impl StoreError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// A request that makes no sense; the message says what would.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn not_found(table: &str, id: &str) -> Self {
        let message = format!("{table} has no row {id:?}: check the id, or create the row first");
        Self::new(ErrorKind::NotFound, message)
    }

    pub(crate) fn corrupt(what: impl std::fmt::Display) -> Self {
        let advice = "restore the file from a backup, or move it away and start with a new one";
        Self::new(ErrorKind::Corrupt, format!("{what}: {advice}"))
    }

    pub(crate) fn closed() -> Self {
        Self::new(
            ErrorKind::Closed,
            "the store is closed: open it again before using it",
        )
    }

    pub(crate) fn panicked() -> Self {
        let message = "work handed to the store panicked and was rolled back: please report this";
        Self::new(ErrorKind::Internal, message)
    }

    pub(crate) fn given_up() -> Self {
        let message = "the read was given up, since nobody waits for it: ask for less, or again";
        Self::new(ErrorKind::Busy, message)
    }

    /// Names the file, for errors whose reader chose the path.
    pub(crate) fn at(self, path: &std::path::Path) -> Self {
        Self {
            message: format!("{}: {}", path.display(), self.message),
            ..self
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match &error {
            rusqlite::Error::SqliteFailure(failure, _) => from_sqlite(*failure, &error),
            rusqlite::Error::InvalidPath(_) => {
                Self::invalid(format!("{error}: give a path without NUL bytes"))
            }
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..) => Self::corrupt(error),
            _ => internal(&error),
        }
    }
}

fn from_sqlite(failure: ffi::Error, error: &rusqlite::Error) -> StoreError {
    use ErrorKind::{Busy, Full, Io};

    match failure.code {
        // Growing the shared-memory file is the one write whose lack of space SQLite calls I/O.
        _ if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => {
            StoreError::new(Full, "the disk is full: free some space and try again")
        }
        ErrorCode::DiskFull => StoreError::new(
            Full,
            "the disk, or the database's size limit, is full: nothing was written; \
             free some space and try again",
        ),
        ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => {
            StoreError::corrupt(format!("not a readable SQLite database ({error})"))
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::new(
            Busy,
            "another process is holding the database: try again, or stop that process",
        ),
        ErrorCode::OperationInterrupted => StoreError::given_up(),
        ErrorCode::ConstraintViolation => constraint(failure, error),
        ErrorCode::TooBig => StoreError::invalid(format!("{error}: store a smaller value")),
        ErrorCode::CannotOpen
        | ErrorCode::ReadOnly
        | ErrorCode::PermissionDenied
        | ErrorCode::SystemIoFailure
        | ErrorCode::FileLockingProtocolFailed => StoreError::new(
            Io,
            format!("{error}: check that the file and its folder exist and can be written"),
        ),
        _ => internal(error),
    }
}

fn constraint(failure: ffi::Error, error: &rusqlite::Error) -> StoreError {
    match failure.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => StoreError::new(
            ErrorKind::Taken,
            format!("{error}: another row has this value; update that row instead"),
        ),
        ffi::SQLITE_CONSTRAINT_NOTNULL => {
            StoreError::invalid(format!("{error}: this column is required, give it a value"))
        }
        _ => StoreError::invalid(format!("{error}: give values that satisfy the constraint")),
    }
}

fn internal(error: &rusqlite::Error) -> StoreError {
    let message = format!("SQLite refused an operation of the store ({error}): please report this");
    StoreError::new(ErrorKind::Internal, message)
}
