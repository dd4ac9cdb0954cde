//! Segments: the files a log is made of, named by the number of their first entry.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::error::{At, Result};
use crate::frame::Frame;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub first: u64,
    pub len: u64,
}

impl Segment {
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{:020}.log", self.first))
    }

    /// Opens for appending, whatever others do with the file's position.
    pub fn open(&self, folder: &Path) -> Result<File> {
        let path = self.path(folder);
        let mut options = OpenOptions::new();
        options.create(true).append(true).open(&path).at(&path)
    }

    pub fn remove(&self, folder: &Path) {
        // One that stays is found delivered at the next open, and removed then.
        let _ = fs::remove_file(self.path(folder));
    }
}

/// All of a log's segments, oldest first.
pub(crate) fn list(folder: &Path) -> Result<VecDeque<Segment>> {
    let mut segments = Vec::new();
    for file in fs::read_dir(folder).at(folder)? {
        let file = file.at(folder)?;
        let name = file.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_suffix(".log"))
            .and_then(|number| number.parse().ok());
        if let Some(first) = number {
            let len = file.metadata().at(&file.path())?.len();
            segments.push(Segment { first, len });
        }
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments.into())
}

/// Cuts off what a power cut or a kill left half-written, and answers the number of the entry that
/// comes next. What is damaged before a whole frame is no torn end, and left to the reader.
pub(crate) fn cut_torn_end(folder: &Path, segment: &mut Segment) -> Result<(u64, Option<Frame>)> {
    let path = segment.path(folder);
    let content = fs::read(&path).at(&path)?;
    let (mut end, mut next, mut last) = (0, segment.first, None);
    while let Some((_, frame)) = Frame::find(&content, end, next) {
        (end, next) = (frame.end(), frame.next());
        last = Some(frame);
    }
    if (end as u64) < segment.len {
        let file = segment.open(folder)?;
        file.set_len(end as u64).at(&path)?;
        file.sync_all().at(&path)?;
        segment.len = end as u64;
    }
    Ok((next, last))
}
