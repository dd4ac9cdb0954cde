//! Copies of segments that could not be read in whole.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{At, Result};
use crate::reader::Damage;
use crate::segment::Segment;

const DAMAGED: &str = ".damaged";

/// Keeps a copy of a damaged segment for whoever can read more of it, named by what was lost.
pub(super) fn keep(folder: &Path, damage: &Damage) -> Result<()> {
    let segment = Segment {
        first: damage.segment,
        len: 0,
    };
    let (first, lost) = (damage.first, damage.lost);
    let copy = folder.join(format!("{first:020}.{lost}{DAMAGED}"));
    match fs::copy(segment.path(folder), &copy) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            File::create(&copy).map(|_| ()).at(&copy)
        }
        copied => copied.map(|_| ()).at(&copy),
    }
}

pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut damaged = Vec::new();
    for file in fs::read_dir(folder).at(folder)? {
        let path = file.at(folder)?.path();
        if path.to_string_lossy().ends_with(DAMAGED) {
            damaged.push(path);
        }
    }
    Ok(damaged)
}

pub(super) fn lost_in(damaged: &Path) -> Option<u64> {
    let name = damaged.file_name()?.to_str()?.strip_suffix(DAMAGED)?;
    name.rsplit_once('.')?.1.parse().ok()
}
