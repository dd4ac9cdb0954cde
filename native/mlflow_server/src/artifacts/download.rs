//! Downloads: a file sent in pieces, whole or from one byte to another.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use mlflow_store::tracking::Refusal;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncSeekExt, ReadBuf};

use super::{ArtifactPath, Artifacts, failure, media_type};

const PIECE: usize = 256 << 10;

/// A file that is open for reading.
pub struct Download {
    pub name: String,
    pub media_type: &'static str,
    pub size: u64,
    pub modified: SystemTime,
    file: File,
}

/// From the first byte to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub first: u64,
    pub last: u64,
}

/// Why there is nothing to download.
pub enum Unavailable {
    Directory(String),
    Refused(Refusal),
}

impl From<Unavailable> for Refusal {
    fn from(unavailable: Unavailable) -> Self {
        match unavailable {
            Unavailable::Directory(message) => Refusal::invalid(message),
            Unavailable::Refused(refusal) => refusal,
        }
    }
}

impl Artifacts {
    /// Messages name the artifact as `shown` does.
    pub async fn get(
        &self,
        path: ArtifactPath,
        shown: ArtifactPath,
    ) -> Result<Download, Unavailable> {
        let opened = self
            .blocking(move |artifacts| {
                let opened = artifacts
                    .open()
                    .and_then(|dir| open(&dir, &path))
                    .map_err(|error| failure::refusal(&error, &shown))?;
                Ok(opened.ok_or_else(|| failure::directory_message(&shown)))
            })
            .await;
        match opened {
            Ok(Ok(download)) => Ok(download),
            Ok(Err(message)) => Err(Unavailable::Directory(message)),
            Err(refusal) => Err(Unavailable::Refused(refusal)),
        }
    }
}

impl Download {
    /// Changes when the file does.
    pub fn etag(&self) -> String {
        let modified = self.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("\"{:x}-{:x}\"", modified.as_nanos(), self.size)
    }

    pub async fn into_body(mut self, span: Option<Span>) -> io::Result<Body> {
        let left = match span {
            Some(Span { first, last }) => {
                self.file.seek(io::SeekFrom::Start(first)).await?;
                last - first + 1
            }
            None => self.size,
        };
        self.file.set_max_buf_size(PIECE);
        Ok(Body::new(Pieces {
            file: self.file,
            piece: vec![0; PIECE.min(left as usize)].into(),
            left,
        }))
    }
}

/// `None` for a folder.
fn open(dir: &cap_std::fs::Dir, path: &ArtifactPath) -> io::Result<Option<Download>> {
    let inside = path.inside();
    let metadata = dir.metadata(&inside)?;
    if metadata.is_dir() {
        return Ok(None);
    }
    if !metadata.is_file() {
        // Opening a pipe would wait for whoever writes to it.
        return Err(io::ErrorKind::NotFound.into());
    }
    let file = dir.open(&inside)?.into_std();
    let metadata = file.metadata()?;
    let name = inside.file_name().unwrap_or_default().to_string_lossy();
    Ok(Some(Download {
        media_type: media_type::guess(&name),
        name: name.into_owned(),
        size: metadata.len(),
        modified: metadata.modified().unwrap_or(UNIX_EPOCH),
        file: File::from_std(file),
    }))
}

struct Pieces {
    file: File,
    piece: Box<[u8]>,
    left: u64,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let wanted = this
            .piece
            .len()
            .min(usize::try_from(this.left).unwrap_or(usize::MAX));
        let mut buffer = ReadBuf::new(&mut this.piece[..wanted]);
        ready!(Pin::new(&mut this.file).poll_read(context, &mut buffer))?;
        let piece = buffer.filled();
        if piece.is_empty() {
            // The promised length cannot be kept: someone shortened the file.
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        this.left -= piece.len() as u64;
        let piece = Bytes::copy_from_slice(piece);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
