//! Uploads: written to a file beside, which takes its place when it is whole. What breaks off leaves
//! nothing.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use cap_std::fs::{Dir, OpenOptions};
use http_body_util::BodyExt;
use mlflow_store::tracking::{Code, Refusal, validate};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::{ArtifactPath, Artifacts, UNFINISHED, failure};
use crate::names;

/// What an upload may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub bytes: u64,
    /// Between one piece and the next.
    pub pause: Duration,
}

impl Artifacts {
    /// Streams `body` to the file at `path`, making the folders that it needs.
    pub async fn put(
        &self,
        path: ArtifactPath,
        mut body: Body,
        limits: Limits,
    ) -> Result<(), Refusal> {
        check_name(&path)?;
        let target = path.clone();
        let (unfinished, file) = self
            .blocking(move |artifacts| {
                let begun = artifacts
                    .open_or_create()
                    .and_then(|dir| Unfinished::create(dir, &target));
                begun.map_err(|error| not_a_place(&error, &target))
            })
            .await?;

        let mut file = File::from_std(file);
        let mut received = 0;
        while let Some(piece) = next_piece(&mut body, limits.pause).await? {
            received += piece.len() as u64;
            if received > limits.bytes {
                return Err(too_large(limits.bytes));
            }
            let written = file.write_all(&piece).await;
            written.map_err(|error| failure::refusal(&error, &path))?;
        }
        let flushed = file.flush().await;
        flushed.map_err(|error| failure::refusal(&error, &path))?;
        drop(file);
        self.blocking(move |_| {
            let finished = unfinished.finish();
            finished.map_err(|error| failure::refusal(&error, &path))
        })
        .await
    }
}

pub fn too_large(limit: u64) -> Refusal {
    Refusal::invalid(format!(
        "The artifact is larger than the {limit} bytes that this server takes."
    ))
}

/// A file that is removed again unless it is finished, be it that its client hung up.
struct Unfinished {
    folder: Dir,
    beside: PathBuf,
    name: OsString,
    is_finished: bool,
}

impl Unfinished {
    fn create(dir: Dir, path: &ArtifactPath) -> io::Result<(Self, std::fs::File)> {
        let inside = path.inside();
        let name = inside.file_name().unwrap_or_default().to_owned();
        let folder = match inside.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => {
                dir.create_dir_all(parent)?;
                dir.open_dir(parent)?
            }
            _ => dir,
        };
        if folder.is_dir(Path::new(&name)) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let beside = PathBuf::from(format!("{UNFINISHED}{}", names::run_id()));
        let options = OpenOptions::new().write(true).create_new(true).clone();
        let file = folder.open_with(&beside, &options)?.into_std();
        let unfinished = Self {
            folder,
            beside,
            name,
            is_finished: false,
        };
        Ok((unfinished, file))
    }

    fn finish(mut self) -> io::Result<()> {
        self.folder
            .rename(&self.beside, &self.folder, Path::new(&self.name))?;
        self.is_finished = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_finished {
            // Its client hears of the first failure; there is no one to hear of this one.
            let _ = self.folder.remove_file(&self.beside);
        }
    }
}

async fn next_piece(body: &mut Body, pause: Duration) -> Result<Option<bytes::Bytes>, Refusal> {
    loop {
        let frame = tokio::time::timeout(pause, body.frame()).await;
        match frame.map_err(|_| broken_off())? {
            None => return Ok(None),
            Some(Err(_)) => return Err(broken_off()),
            Some(Ok(frame)) => {
                // Trailers say nothing about the artifact.
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some(piece));
                }
            }
        }
    }
}

fn check_name(path: &ArtifactPath) -> Result<(), Refusal> {
    let (folder, name) = path.split();
    if name.starts_with(UNFINISHED) {
        return Err(Refusal::invalid(format!(
            "Invalid artifact file name: '{name}'. Artifact names starting with '{UNFINISHED}' are \
             reserved."
        )));
    }
    let normal = validate::normalised(folder);
    if folder.is_empty() || normal == folder && folder != "." {
        return Ok(());
    }
    let message = format!(
        "Invalid artifact path: '{folder}'. {}",
        validate::resolves_elsewhere(folder)
    );
    Err(Refusal::new(Code::InternalError, message))
}

/// A file stands where a folder should, or the other way round.
fn not_a_place(error: &io::Error, path: &ArtifactPath) -> Refusal {
    match error.kind() {
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => Refusal::invalid(format!(
            "The artifact '{}' would lie below one that is a file.",
            path.text()
        )),
        _ => failure::refusal(error, path),
    }
}

fn broken_off() -> Refusal {
    Refusal::new(
        Code::BadRequest,
        "The upload broke off, or paused for longer than this server waits: nothing was kept.",
    )
}
