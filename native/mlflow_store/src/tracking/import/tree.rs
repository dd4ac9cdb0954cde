//! Files and folders of a source, with errors that name them.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::error::{Result, StoreError};
use crate::tracking::entities::KeyValue;

/// No key has more slashes.
const DEEPEST: usize = 64;

/// The folders in a folder, by name; none where there is no such folder.
pub fn folders(path: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(path)?
        .into_iter()
        .filter(|entry| entry.is_dir())
        .collect())
}

fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let read = || -> std::io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path()));
        entries.collect()
    };
    let mut entries = read().map_err(|error| wrong(path, error))?;
    entries.sort();
    Ok(entries)
}

/// Every file below a folder, and its path there, which is a key.
pub fn keyed_files(path: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    collect(path, "", 0, &mut files)?;
    Ok(files)
}

fn collect(
    path: &Path,
    prefix: &str,
    depth: usize,
    files: &mut Vec<(String, PathBuf)>,
) -> Result<()> {
    if depth > DEEPEST {
        return Err(wrong(path, "folders are nested too deep here"));
    }
    for entry in entries(path)? {
        let key = format!("{prefix}{}", name(&entry)?);
        if entry.is_dir() {
            collect(&entry, &format!("{key}/"), depth + 1, files)?;
        } else {
            files.push((key, entry));
        }
    }
    Ok(())
}

/// Every file below a folder as a key and its content.
pub fn pairs(path: &Path) -> Result<Vec<KeyValue>> {
    let files = keyed_files(path)?.into_iter();
    let pairs = files.map(|(key, file)| {
        let value = text(&file)?;
        Ok(KeyValue { key, value })
    });
    pairs.collect()
}

pub fn name(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| wrong(path, "its name is not UTF-8"))?;
    Ok(name.to_owned())
}

pub fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| wrong(path, error))
}

/// What is said in `meta.yaml`.
pub fn meta<T: DeserializeOwned>(folder: &Path) -> Result<T> {
    let path = folder.join("meta.yaml");
    serde_saphyr::from_str(&text(&path)?).map_err(|error| wrong(&path, error))
}

pub fn has_meta(folder: &Path) -> bool {
    folder.join("meta.yaml").is_file()
}

pub fn wrong(path: &Path, reason: impl std::fmt::Display) -> StoreError {
    StoreError::invalid(format!(
        "{}: {reason}: mend or remove it, and import again",
        path.display()
    ))
}

/// Of a line, counted from 1.
pub fn wrong_line(path: &Path, line: usize, reason: impl std::fmt::Display) -> StoreError {
    StoreError::invalid(format!(
        "{}, line {line}: {reason}: mend or remove it, and import again",
        path.display()
    ))
}
