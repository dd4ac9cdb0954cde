//! What a log is: its key, and the identity by which its run is found or created. Written once.

use std::path::Path;

use crate::entry::{Bytes, put_text};
use crate::error::{ErrorKind, OutboxError, Result};
use crate::files;

const MAGIC: &[u8; 8] = b"MLFLOG1\n";
const FILE: &str = "header";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub key: String,
    /// Whatever the application needs to know of the log.
    pub identity: String,
}

impl Header {
    pub fn write(&self, folder: &Path) -> Result<()> {
        let mut texts = Vec::new();
        put_text(&mut texts, &self.key)?;
        put_text(&mut texts, &self.identity)?;
        let mut content = MAGIC.to_vec();
        content.extend(crc32fast::hash(&texts).to_le_bytes());
        content.extend(texts);
        files::replace(&folder.join(FILE), &content)
    }

    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let content = files::read_if_there(&path)?.unwrap_or_default();
        parse(&content).ok_or_else(|| {
            let message = format!(
                "{} is missing or damaged, so what {} holds cannot be delivered: restore the \
                 file, or remove the folder",
                path.display(),
                folder.display()
            );
            OutboxError::new(ErrorKind::Io, message)
        })
    }
}

fn parse(content: &[u8]) -> Option<Header> {
    let mut bytes = Bytes(content.strip_prefix(MAGIC)?);
    let crc = bytes.u32()?;
    if crc32fast::hash(bytes.0) != crc {
        return None;
    }
    Some(Header {
        key: bytes.text()?,
        identity: bytes.text()?,
    })
}
