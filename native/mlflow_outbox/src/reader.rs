//! Reads a log from where it was delivered to, a chunk at a time and never all of it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::entry::{Bytes, Entry};
use crate::error::{At, Result};
use crate::frame::{self, Frame};
use crate::segment::Segment;

/// Enough for the entries of one request; a frame that is longer is read with all behind it.
const WINDOW: u64 = 256 * 1024;

/// A place in a log: before an entry, in the frame that begins at this offset of its segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub entry: u64,
    pub segment: u64,
    pub offset: u64,
}

/// What comes next in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// With their numbers. A status is the last one of its chunk.
    pub entries: Vec<(u64, Entry)>,
    pub(crate) begin: Position,
    pub(crate) end: Position,
    pub(crate) damage: Vec<Damage>,
}

/// Entries that cannot be read any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub segment: u64,
    pub first: u64,
    pub lost: u64,
}

/// The part of a log that was written whole: what is appended meanwhile lies behind it.
pub(crate) struct Reader<'a> {
    pub folder: &'a Path,
    pub segments: &'a VecDeque<Segment>,
    /// The number of the entry after the last one.
    pub next: u64,
}

impl Reader<'_> {
    /// The next entries, at most `most`; `None` when there are none.
    pub fn chunk(&self, from: Position, most: usize) -> Result<Option<Chunk>> {
        let mut chunk = Chunk {
            entries: Vec::new(),
            begin: from,
            end: from,
            damage: Vec::new(),
        };
        while chunk.end.entry < self.next && !chunk.is_full(most) {
            match self.window(chunk.end)? {
                Some(window) => self.read(&window, &mut chunk, most),
                None => self.enter_next_segment(&mut chunk),
            }
        }
        Ok((chunk.end != from).then_some(chunk))
    }

    /// When the entry at a position was appended, in ms since the epoch.
    pub fn appended_at(&self, position: Position) -> Option<i64> {
        let rest = self.rest(position)?;
        let mut header = [0; frame::HEADER];
        rest.read(&mut header, self.folder).ok()?;
        Bytes(&header[20..]).i64()
    }

    /// The bytes at a position, whole frames at their beginning; `None` at a segment's end.
    fn window(&self, position: Position) -> Result<Option<Vec<u8>>> {
        let Some(rest) = self.rest(position) else {
            return Ok(None);
        };
        let window = rest.read_up_to(WINDOW, self.folder)?;
        if rest.len <= WINDOW || frame_of(&window, position).is_some() {
            return Ok(Some(window));
        }
        rest.read_up_to(rest.len, self.folder).map(Some)
    }

    fn rest(&self, position: Position) -> Option<Rest> {
        let mut segments = self.segments.iter();
        let segment = *segments.find(|segment| segment.first == position.segment)?;
        let len = segment.len.checked_sub(position.offset)?;
        (len > 0).then_some(Rest {
            segment,
            offset: position.offset,
            len,
        })
    }

    /// Takes the frames at the beginning of the window.
    fn read(&self, window: &[u8], chunk: &mut Chunk, most: usize) {
        let begin = chunk.end.offset;
        if frame_of(window, chunk.end).is_none() {
            self.skip_damage(window, chunk);
        }
        while !chunk.is_full(most) {
            let rest = &window[(chunk.end.offset - begin) as usize..];
            let Some(frame) = frame_of(rest, chunk.end) else {
                return;
            };
            chunk.take(&frame, rest, most);
        }
    }

    /// Goes on behind what is damaged, at the next whole frame or the segment's end.
    fn skip_damage(&self, window: &[u8], chunk: &mut Chunk) {
        let at = chunk.end;
        match Frame::find(window, 0, at.entry) {
            Some((start, frame)) => {
                chunk.skip(frame.first);
                chunk.end.offset = at.offset + start as u64;
            }
            None => chunk.end.offset = at.offset + window.len() as u64,
        }
    }

    fn enter_next_segment(&self, chunk: &mut Chunk) {
        let mut segments = self.segments.iter();
        match segments.find(|segment| segment.first > chunk.end.segment) {
            Some(following) => {
                chunk.skip(following.first);
                chunk.end.segment = following.first;
                chunk.end.offset = 0;
            }
            None => chunk.skip(self.next),
        }
    }
}

impl Chunk {
    fn is_full(&self, most: usize) -> bool {
        let ended = matches!(self.entries.last(), Some((_, Entry::Status { .. })));
        self.entries.len() >= most || ended
    }

    /// Takes what the frame holds from the position on, as much as there is room for.
    fn take(&mut self, frame: &Frame, bytes: &[u8], most: usize) {
        let Some(entries) = frame.entries(bytes) else {
            // Undamaged, and yet nothing that this version writes.
            self.skip(frame.next());
            self.end.offset += frame.end() as u64;
            return;
        };
        let delivered = (self.end.entry - frame.first) as usize;
        for entry in entries.into_iter().skip(delivered) {
            if self.is_full(most) {
                return;
            }
            self.entries.push((self.end.entry, entry));
            self.end.entry += 1;
        }
        self.end.offset += frame.end() as u64;
    }

    fn skip(&mut self, to: u64) {
        if to > self.end.entry {
            self.damage.push(Damage {
                segment: self.end.segment,
                first: self.end.entry,
                lost: to - self.end.entry,
            });
            self.end.entry = to;
        }
    }
}

/// The frame at the beginning of these bytes, if it is the one that holds the position's entry.
fn frame_of(bytes: &[u8], position: Position) -> Option<Frame> {
    Frame::parse(bytes, 0).filter(|frame| (frame.first..frame.next()).contains(&position.entry))
}

/// What a segment holds from an offset on.
struct Rest {
    segment: Segment,
    offset: u64,
    len: u64,
}

impl Rest {
    fn read_up_to(&self, most: u64, folder: &Path) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.len.min(most) as usize];
        self.read(&mut bytes, folder)?;
        Ok(bytes)
    }

    /// Fills as much as there is; a file that has become shorter is damage, and seen as such.
    fn read(&self, bytes: &mut [u8], folder: &Path) -> Result<()> {
        let path = self.segment.path(folder);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            file => file.at(&path)?,
        };
        file.seek(SeekFrom::Start(self.offset)).at(&path)?;
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read(&mut bytes[filled..]).at(&path)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(())
    }
}
