//! The folder of the artifacts. Every path is followed below an open handle of the folder, so that
//! neither `..` nor a symbolic link leads out of it, whatever changes meanwhile.

mod download;
mod failure;
mod listing;
mod location;
mod media_type;
mod path;
mod send;
mod upload;

use std::io;
use std::path::PathBuf;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use mlflow_store::tracking::Refusal;

pub use download::{Download, Span, Unavailable};
pub use listing::FileInfo;
pub use path::ArtifactPath;
pub use upload::{Limits, too_large};

use crate::app::App;

/// Names of files that are being uploaded begin with it, in MLflow too.
const UNFINISHED: &str = ".artifact.uploading.";

#[derive(Clone, Debug)]
pub struct Artifacts {
    folder: PathBuf,
}

impl Artifacts {
    pub fn of(app: &App) -> Self {
        Self {
            folder: app.config().artifacts.clone(),
        }
    }

    /// What lies directly in a folder, by name; nothing where there is no such folder.
    pub async fn list(&self, path: ArtifactPath) -> Result<Vec<FileInfo>, Refusal> {
        self.blocking(move |artifacts| {
            let outcome = artifacts.open().and_then(|dir| listing::list(&dir, &path));
            match outcome {
                Err(error) if failure::is_missing(&error) => Ok(Vec::new()),
                outcome => outcome.map_err(|error| failure::refusal(&error, &path)),
            }
        })
        .await
    }

    /// A file or a whole folder. What is not there is as good as deleted.
    pub async fn delete(&self, path: ArtifactPath) -> Result<(), Refusal> {
        if path.is_root() {
            return Err(path::invalid());
        }
        self.blocking(move |artifacts| {
            let outcome = artifacts.open().and_then(|dir| remove(&dir, &path));
            match outcome {
                Err(error) if failure::is_missing(&error) => Ok(()),
                outcome => outcome.map_err(|error| failure::refusal(&error, &path)),
            }
        })
        .await
    }

    fn open(&self) -> io::Result<Dir> {
        Dir::open_ambient_dir(&self.folder, ambient_authority())
    }

    fn open_or_create(&self) -> io::Result<Dir> {
        Dir::create_ambient_dir_all(&self.folder, ambient_authority())?;
        self.open()
    }

    /// Runs work that waits for the disk on a thread that may.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let artifacts = self.clone();
        tokio::task::spawn_blocking(move || work(&artifacts))
            .await
            .unwrap_or_else(|_| Err(failure::panicked()))
    }
}

/// A symbolic link itself, and not what it leads to.
fn remove(dir: &Dir, path: &ArtifactPath) -> io::Result<()> {
    let path = path.inside();
    if dir.symlink_metadata(&path)?.is_dir() {
        dir.remove_dir_all(&path)
    } else {
        dir.remove_file(&path)
    }
}
