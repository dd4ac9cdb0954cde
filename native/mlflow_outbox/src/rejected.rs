//! What the server refused for good, kept with its reason for whoever looks.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::entry::{Bytes, Entry, put_text};
use crate::error::{At, Result};
use crate::files;
use crate::frame::{self, Frame};

/// An entry that MLflow will never take as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its number in the log.
    pub number: u64,
    /// When it was refused, in ms since the epoch.
    pub at: i64,
    /// The error's kind, and what the server said.
    pub kind: String,
    pub message: String,
    pub entry: Entry,
}

/// A log's file of refused entries.
#[derive(Debug)]
pub(crate) struct RejectedFile {
    path: PathBuf,
    pub count: u64,
    pub bytes: u64,
    /// A chunk that is sent again after a crash has its entries refused again.
    last: Option<u64>,
}

impl RejectedFile {
    pub fn open(folder: &Path) -> Result<Self> {
        let mut file = Self {
            path: folder.join("rejected"),
            count: 0,
            bytes: 0,
            last: None,
        };
        let entries = file.read()?;
        file.bytes = fs::metadata(&file.path).map_or(0, |metadata| metadata.len());
        file.count = entries.len() as u64;
        file.last = entries.last().map(|rejected| rejected.number);
        Ok(file)
    }

    pub fn read(&self) -> Result<Vec<Rejected>> {
        let content = files::read_if_there(&self.path)?.unwrap_or_default();
        let (mut start, mut entries) = (0, Vec::new());
        while let Some((_, frame)) = Frame::find(&content, start, 0) {
            entries.extend(decode(&frame, &content));
            start = frame.end();
        }
        Ok(entries)
    }

    /// On the disk when it returns: what is acknowledged next is kept nowhere else.
    pub fn add(&mut self, rejected: &[Rejected]) -> Result<()> {
        let (mut bytes, mut count, mut last) = (Vec::new(), 0, self.last);
        for rejected in rejected.iter().filter(|new| Some(new.number) > self.last) {
            let mut payload = Vec::new();
            put_text(&mut payload, &rejected.kind)?;
            put_text(&mut payload, &rejected.message)?;
            rejected.entry.borrow().encode(&mut payload)?;
            frame::put(&mut bytes, rejected.number, 1, rejected.at, &payload);
            count += 1;
            last = Some(rejected.number);
        }
        self.append(&bytes).at(&self.path)?;
        self.bytes += bytes.len() as u64;
        self.count += count;
        self.last = last;
        Ok(())
    }

    /// All of it, or nothing: what a full disk took the half of is cut off again.
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).open(&self.path)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_data());
        if written.is_err() {
            let _ = file.set_len(self.bytes);
        }
        written
    }

    pub fn forget(&mut self) {
        let _ = fs::remove_file(&self.path);
        self.bytes = 0;
        self.count = 0;
    }
}

fn decode(frame: &Frame, content: &[u8]) -> Option<Rejected> {
    let mut bytes = Bytes(frame.payload(content));
    Some(Rejected {
        number: frame.first,
        at: frame.at,
        kind: bytes.text()?,
        message: bytes.text()?,
        entry: Entry::decode(&mut bytes)?,
    })
}
