//! What a log knows of itself, and what it does to its files; whoever has it has the lock.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::{RUN_FILE, State, damaged};
use crate::cursor::CursorFile;
use crate::entry::{Entry, EntryRef};
use crate::error::{At, OutboxError, Result};
use crate::files;
use crate::frame;
use crate::reader::Position;
use crate::rejected::RejectedFile;
use crate::segment::{self, Segment};

/// A segment that has grown to this is followed by a new one.
const SEGMENT_BYTES: u64 = 8 << 20;
/// What is delivered takes no more room than this in a log that is empty.
const KEPT_WHEN_EMPTY: u64 = 64 * 1024;
/// One large append does not keep its memory.
const BUFFER_KEPT: usize = 1 << 20;

impl State {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let mut segments = segment::list(folder)?;
        let (cursor_file, cursor) = CursorFile::open(folder)?;
        let first = Segment { first: 0, len: 0 };
        let mut last = *segments.back().unwrap_or(&first);
        let file = last.open(folder)?;
        let (mut next, last_frame) = segment::cut_torn_end(folder, &mut last)?;
        let last_entry = last_frame
            .as_ref()
            .and_then(|frame| last_entry(folder, &last, frame));
        segments.pop_back();
        segments.push_back(last);

        let mut state = Self {
            cursor: starting_point(&segments, cursor),
            segments,
            file: Arc::new(file),
            next,
            cursor_file,
            buffer: Vec::new(),
            torn: false,
            dirty: true,
            new_files: true,
            unflushed: Vec::new(),
            flush_error: None,
            latest: last_frame.map(|frame| frame.at),
            ended: matches!(last_entry, Some(Entry::Status { status, .. }) if status.is_terminal()),
            rejected: RejectedFile::open(folder)?,
            lost: damaged::files(folder)?
                .iter()
                .filter_map(|path| damaged::lost_in(path))
                .sum(),
            run_id: files::read_if_there(&folder.join(RUN_FILE))?
                .and_then(|text| String::from_utf8(text).ok()),
            removed: false,
        };
        if let Some(cursor) = cursor.filter(|cursor| cursor.entry > next) {
            // A power cut took what was delivered before it was flushed. Its numbers are not used
            // again, and whether its last entry was the run's end nobody knows: MLflow does.
            next = cursor.entry;
            state.next = next;
            state.ended = true;
            state.rotate(folder)?;
            state.cursor = state.end();
            state.cursor_file.write(&state.cursor)?;
        }
        for segment in state.take_delivered() {
            segment.remove(folder);
        }
        Ok(state)
    }

    pub(super) fn encode<'a, E: From<OutboxError>>(
        &mut self,
        entries: impl IntoIterator<Item = std::result::Result<EntryRef<'a>, E>>,
    ) -> std::result::Result<u64, E> {
        if self.removed {
            return Err(OutboxError::closed().into());
        }
        if self.buffer.capacity() > BUFFER_KEPT {
            self.buffer = Vec::new();
        }
        self.buffer.clear();
        frame::put_entries(&mut self.buffer, self.next, files::now(), entries)
    }

    /// Writes what was encoded, and leaves nothing half-written.
    pub(super) fn write(&mut self, folder: &Path, count: u64) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        self.mend(folder)?;
        if self.active().len >= SEGMENT_BYTES {
            self.rotate(folder)?;
        }
        if let Err(error) = (&*self.file).write_all(&self.buffer) {
            self.torn = true;
            // If this fails too, the next write tries it again before anything else.
            let _ = self.mend(folder);
            return Err(error).at(&self.active().path(folder));
        }
        let bytes = self.buffer.len() as u64;
        if let Some(active) = self.segments.back_mut() {
            active.len += bytes;
        }
        self.next += count;
        self.latest = Some(files::now());
        self.dirty = true;
        Ok(())
    }

    pub(super) fn mend(&mut self, folder: &Path) -> Result<()> {
        if self.torn {
            let active = self.active();
            self.file.set_len(active.len).at(&active.path(folder))?;
            self.torn = false;
        }
        Ok(())
    }

    pub(super) fn rotate(&mut self, folder: &Path) -> Result<()> {
        let segment = Segment {
            first: self.next,
            len: 0,
        };
        // One of this name is empty already, and goes on.
        if self.active().first == segment.first {
            return Ok(());
        }
        let file = Arc::new(segment.open(folder)?);
        let full = std::mem::replace(&mut self.file, file);
        if self.dirty {
            self.unflushed.push(full);
        }
        self.new_files = true;
        self.segments.push_back(segment);
        Ok(())
    }

    /// Answers the segments that are of no more use.
    pub(super) fn advance(&mut self, folder: &Path, to: Position) -> Result<Vec<Segment>> {
        self.cursor = to;
        let empty = to == self.end();
        // The end of a run stays, so that it is known after a restart.
        if empty && self.active().len > KEPT_WHEN_EMPTY && !self.ended {
            self.rotate(folder)?;
        }
        self.enter_next_segment();
        self.cursor_file.write(&self.cursor)?;
        Ok(self.take_delivered())
    }

    /// The end of a segment is the beginning of the next one.
    pub(super) fn enter_next_segment(&mut self) {
        let cursor = self.cursor;
        let mut segments = self.segments.iter();
        let at = segments.find(|segment| segment.first == cursor.segment);
        if at.is_some_and(|segment| segment.len == cursor.offset)
            && let Some(following) = segments.next()
            && following.first == cursor.entry
        {
            self.cursor = Position {
                entry: cursor.entry,
                segment: following.first,
                offset: 0,
            };
        }
    }

    pub(super) fn take_delivered(&mut self) -> Vec<Segment> {
        let cursor = self.cursor.segment;
        let delivered = self
            .segments
            .iter()
            .take_while(|segment| segment.first < cursor);
        let count = delivered.count();
        self.segments.drain(..count).collect()
    }

    /// Files to flush, and whether the folder has new ones.
    pub(super) fn unflushed(&mut self) -> (Vec<Arc<File>>, bool) {
        let mut files = std::mem::take(&mut self.unflushed);
        let is_known = files.iter().any(|file| Arc::ptr_eq(file, &self.file));
        if std::mem::take(&mut self.dirty) && !is_known {
            files.push(Arc::clone(&self.file));
        }
        (files, std::mem::take(&mut self.new_files))
    }

    pub(super) fn active(&self) -> Segment {
        self.segments.back().copied().unwrap_or(Segment {
            first: self.next,
            len: 0,
        })
    }

    pub(super) fn end(&self) -> Position {
        let active = self.active();
        Position {
            entry: self.next,
            segment: active.first,
            offset: active.len,
        }
    }

    pub(super) fn waiting(&self) -> u64 {
        self.next - self.cursor.entry
    }

    pub(super) fn waiting_bytes(&self) -> u64 {
        let all: u64 = self.segments.iter().map(|segment| segment.len).sum();
        all.saturating_sub(self.cursor.offset)
    }
}

/// The cursor, where it points into the log, or else the log's beginning.
fn starting_point(segments: &VecDeque<Segment>, cursor: Option<Position>) -> Position {
    let oldest = segments.front().map_or(0, |segment| segment.first);
    let beginning = Position {
        entry: oldest,
        segment: oldest,
        offset: 0,
    };
    let holds = |cursor: &Position| {
        segments.iter().any(|segment| {
            segment.first == cursor.segment
                && cursor.offset <= segment.len
                && cursor.entry >= segment.first
        })
    };
    cursor.filter(holds).unwrap_or(beginning)
}

fn last_entry(folder: &Path, segment: &Segment, frame: &frame::Frame) -> Option<Entry> {
    let content = fs::read(segment.path(folder)).ok()?;
    frame.entries(&content)?.pop()
}
