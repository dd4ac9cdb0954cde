//! What a failure of the file system means to whoever asked.

use std::io;

use mlflow_store::tracking::{Code, Refusal};

use super::ArtifactPath;

pub fn is_missing(error: &io::Error) -> bool {
    // A file in the place of a folder has nothing in it.
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

pub fn refusal(error: &io::Error, path: &ArtifactPath) -> Refusal {
    use io::ErrorKind::{InvalidFilename, IsADirectory, PermissionDenied, StorageFull};
    match error.kind() {
        _ if is_escape(error) => {
            Refusal::invalid("Invalid path: resolved path is outside the artifact directory")
        }
        _ if is_missing(error) => no_artifact(path),
        IsADirectory => directory(path),
        InvalidFilename => Refusal::invalid(format!(
            "The file system takes no name as long as one of those in '{}'.",
            path.text()
        )),
        PermissionDenied => Refusal::new(
            Code::PermissionDenied,
            format!("The server may not use the artifact '{}'.", path.text()),
        ),
        StorageFull => Refusal::new(
            Code::TemporarilyUnavailable,
            "The server's disk is full: free some of it, and try again.",
        ),
        _ => Refusal::new(
            Code::InternalError,
            format!("The artifact '{}' cannot be used: {error}", path.text()),
        ),
    }
}

pub fn no_artifact(path: &ArtifactPath) -> Refusal {
    Refusal::missing(format!("No such artifact: '{}'", path.text()))
}

pub fn directory(path: &ArtifactPath) -> Refusal {
    Refusal::invalid(directory_message(path))
}

pub fn directory_message(path: &ArtifactPath) -> String {
    format!(
        "Artifact path refers to a directory, not a file: '{}'",
        path.text()
    )
}

pub fn panicked() -> Refusal {
    let message = "the request ended without an answer; please report this as a bug";
    Refusal::new(Code::InternalError, message)
}

/// The file system's own refusals have a number.
fn is_escape(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}
