//! A registered model's folder.

use std::path::Path;

use crate::error::Result;
use crate::tracking::import::meta::{RegisteredModelMeta, VersionMeta, owned};
use crate::tracking::import::records::{RegisteredModelRecord, VersionRecord};
use crate::tracking::import::tree::{self, folders, name, pairs, wrong};

pub fn read(path: &Path) -> Result<RegisteredModelRecord> {
    let meta: RegisteredModelMeta = tree::meta(path)?;
    let creation_time = meta.creation_timestamp.unwrap_or(0);
    let mut versions = Vec::new();
    for folder in folders(path)? {
        if name(&folder)?.starts_with("version-") {
            versions.push(version(&folder)?);
        }
    }
    versions.sort_by_key(|version| version.version);
    Ok(RegisteredModelRecord {
        name: meta.name.0,
        creation_time,
        last_updated_time: meta.last_updated_timestamp.unwrap_or(creation_time),
        description: owned(meta.description),
        tags: pairs(&path.join("tags"))?,
        aliases: aliases(&path.join("aliases"))?,
        versions,
    })
}

fn aliases(path: &Path) -> Result<Vec<(String, i64)>> {
    let read = |(alias, file): (String, std::path::PathBuf)| {
        let version = tree::text(&file)?.trim().parse();
        let version = version.map_err(|_| wrong(&file, "this is no version's number"))?;
        Ok((alias, version))
    };
    tree::keyed_files(path)?.into_iter().map(read).collect()
}

fn version(path: &Path) -> Result<VersionRecord> {
    let meta: VersionMeta = tree::meta(path)?;
    let creation_time = meta.creation_timestamp.unwrap_or(0);
    Ok(VersionRecord {
        version: meta.version,
        creation_time,
        last_updated_time: meta.last_updated_timestamp.unwrap_or(creation_time),
        description: owned(meta.description),
        user_id: owned(meta.user_id),
        current_stage: meta.current_stage.unwrap_or_else(|| "None".to_owned()),
        source: owned(meta.source),
        storage_location: owned(meta.storage_location),
        run_id: owned(meta.run_id),
        run_link: owned(meta.run_link),
        model_id: owned(meta.model_id),
        status: meta.status.unwrap_or_else(|| "READY".to_owned()),
        status_message: owned(meta.status_message),
        tags: pairs(&path.join("tags"))?,
    })
}
