//! How far a log was delivered, kept beside it.
//!
//! It is written in place and not flushed: after a power cut an older one, or none, only means that
//! some entries are sent again, and MLflow absorbs an exact replay.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::entry::Bytes;
use crate::error::{At, Result};
use crate::files;
use crate::reader::Position;

#[derive(Debug)]
pub(crate) struct CursorFile {
    path: PathBuf,
    file: File,
}

impl CursorFile {
    pub fn open(folder: &Path) -> Result<(Self, Option<Position>)> {
        let path = folder.join("cursor");
        let position = files::read_if_there(&path)?.and_then(|bytes| decode(&bytes));
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .at(&path)?;
        Ok((Self { path, file }, position))
    }

    pub fn write(&mut self, position: &Position) -> Result<()> {
        let mut bytes = Vec::with_capacity(28);
        for number in [position.entry, position.segment, position.offset] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(&bytes))
            .at(&self.path)
    }
}

fn decode(bytes: &[u8]) -> Option<Position> {
    let (numbers, crc) = bytes.split_at_checked(24)?;
    let whole = Bytes(crc).u32()? == crc32fast::hash(numbers);
    let mut numbers = Bytes(numbers);
    let position = Position {
        entry: numbers.u64()?,
        segment: numbers.u64()?,
        offset: numbers.u64()?,
    };
    whole.then_some(position)
}
