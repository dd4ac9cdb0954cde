//! What lies in a folder.

use std::io;

use cap_std::fs::Dir;
use serde::Serialize;

use super::{ArtifactPath, UNFINISHED};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileInfo {
    pub path: String,
    pub is_dir: bool,
    /// Not of folders, nor of empty files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_size: Option<u64>,
}

pub fn list(dir: &Dir, path: &ArtifactPath) -> io::Result<Vec<FileInfo>> {
    let folder = dir.open_dir(path.inside())?;
    let mut files = Vec::new();
    for entry in folder.entries()? {
        let name = entry?.file_name();
        // What leads out of the folder, or is gone meanwhile, is not there.
        let Ok(metadata) = folder.metadata(&name) else {
            continue;
        };
        let name = name.to_string_lossy().into_owned();
        if name.starts_with(UNFINISHED) {
            continue;
        }
        let is_dir = metadata.is_dir();
        files.push(FileInfo {
            path: name,
            is_dir,
            file_size: Some(metadata.len()).filter(|size| !is_dir && *size > 0),
        });
    }
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}
