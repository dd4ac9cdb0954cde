//! Frames: what one append writes, guarded by a checksum, so that what was written whole can be
//! told from what was not.
//!
//! `payload length u32 | CRC-32 of all that follows u32 | number of the first entry u64 |
//! entries u32 | time of the append in ms i64 | entries`, little-endian.

use std::ops::Range;

use crate::entry::{Bytes, Entry, EntryRef};
use crate::error::OutboxError;

pub(crate) const HEADER: usize = 28;
const UNCHECKED: usize = 8;

/// A frame is full at this size, and then holds at most one long entry more.
const FULL_BYTES: usize = 64 * 1024;
const FULL_ENTRIES: u32 = 1000;
const LONGEST_PAYLOAD: usize = 4 << 20;

/// A whole frame in a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub first: u64,
    pub count: u32,
    pub at: i64,
    payload: Range<usize>,
}

impl Frame {
    /// The frame that begins at `start`, if it is there, whole and undamaged.
    pub fn parse(buffer: &[u8], start: usize) -> Option<Self> {
        let mut header = Bytes(buffer.get(start..start + HEADER)?);
        let length = header.u32()? as usize;
        let crc = header.u32()?;
        let (first, count, at) = (header.u64()?, header.u32()?, header.i64()?);
        let end = start + HEADER + length;
        if length > LONGEST_PAYLOAD || count == 0 {
            return None;
        }
        let checked = buffer.get(start + UNCHECKED..end)?;
        (crc32fast::hash(checked) == crc).then_some(Self {
            first,
            count,
            at,
            payload: start + HEADER..end,
        })
    }

    pub fn end(&self) -> usize {
        self.payload.end
    }

    /// The number of the entry after its last one.
    pub fn next(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    pub fn payload<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        &buffer[self.payload.clone()]
    }

    pub fn entries(&self, buffer: &[u8]) -> Option<Vec<Entry>> {
        let mut bytes = Bytes(self.payload(buffer));
        (0..self.count).map(|_| Entry::decode(&mut bytes)).collect()
    }

    /// The next whole frame, here or behind damage; its entries do not come before `expected`.
    pub fn find(buffer: &[u8], from: usize, expected: u64) -> Option<(usize, Self)> {
        // Numbers grow by appends, so one that is very far ahead is chance.
        let plausible = expected..expected.saturating_add(1 << 40);
        (from..buffer.len().saturating_sub(HEADER)).find_map(|start| {
            let number = Bytes(&buffer[start + UNCHECKED..]).u64()?;
            plausible
                .contains(&number)
                .then(|| Self::parse(buffer, start))
                .flatten()
                .map(|frame| (start, frame))
        })
    }
}

/// One payload as a frame at the end of the buffer.
pub(crate) fn put(buffer: &mut Vec<u8>, first: u64, count: u32, at: i64, payload: &[u8]) {
    let start = begin(buffer);
    buffer.extend(payload);
    finish(buffer, start, first, count, at);
}

/// Entries as frames at the end of the buffer; answers how many there were. After an error the
/// buffer holds nothing of use.
pub(crate) fn put_entries<'a, E: From<OutboxError>>(
    buffer: &mut Vec<u8>,
    mut next: u64,
    at: i64,
    entries: impl IntoIterator<Item = std::result::Result<EntryRef<'a>, E>>,
) -> std::result::Result<u64, E> {
    let first = next;
    let mut open: Option<(usize, u32)> = None;
    for entry in entries {
        let entry = entry?;
        let (start, count) = open.unwrap_or_else(|| (begin(buffer), 0));
        entry.encode(buffer)?;
        let count = count + 1;
        open = Some((start, count));
        if count == FULL_ENTRIES || buffer.len() - start >= FULL_BYTES {
            finish(buffer, start, next, count, at);
            next += u64::from(count);
            open = None;
        }
    }
    if let Some((start, count)) = open {
        finish(buffer, start, next, count, at);
        next += u64::from(count);
    }
    Ok(next - first)
}

fn begin(buffer: &mut Vec<u8>) -> usize {
    let start = buffer.len();
    buffer.resize(start + HEADER, 0);
    start
}

fn finish(buffer: &mut [u8], start: usize, first: u64, count: u32, at: i64) {
    let frame = &mut buffer[start..];
    let length = (frame.len() - HEADER) as u32;
    frame[0..4].copy_from_slice(&length.to_le_bytes());
    frame[8..16].copy_from_slice(&first.to_le_bytes());
    frame[16..20].copy_from_slice(&count.to_le_bytes());
    frame[20..28].copy_from_slice(&at.to_le_bytes());
    let crc = crc32fast::hash(&frame[UNCHECKED..]);
    frame[4..8].copy_from_slice(&crc.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: i64) -> std::result::Result<EntryRef<'static>, OutboxError> {
        Ok(EntryRef::Metric {
            key: "loss",
            value: 0.5,
            step,
            timestamp: 1,
        })
    }

    #[test]
    fn entries_come_back_in_frames_of_bounded_size() {
        let mut buffer = Vec::new();
        assert_eq!(
            put_entries(&mut buffer, 7, 99, (0..2500).map(point)),
            Ok(2500)
        );
        let (mut start, mut counts, mut entries) = (0, Vec::new(), Vec::new());
        while let Some(frame) = Frame::parse(&buffer, start) {
            assert_eq!((frame.first, frame.at), (7 + entries.len() as u64, 99));
            counts.push(frame.count);
            entries.extend(frame.entries(&buffer).unwrap());
            start = frame.end();
        }
        assert_eq!((start, counts), (buffer.len(), vec![1000, 1000, 500]));
        assert_eq!(entries.len(), 2500);
    }

    #[test]
    fn no_changed_or_missing_byte_goes_unnoticed() {
        let mut buffer = Vec::new();
        put_entries(&mut buffer, 0, 1, (0..3).map(point)).unwrap();
        for end in 0..buffer.len() {
            assert_eq!(Frame::parse(&buffer[..end], 0), None, "cut at {end}");
        }
        for index in 0..buffer.len() {
            let mut changed = buffer.clone();
            changed[index] ^= 0x10;
            assert_eq!(Frame::parse(&changed, 0), None, "changed at {index}");
        }
    }

    #[test]
    fn a_frame_behind_damage_is_found() {
        let mut buffer = vec![0xff; 100];
        put_entries(&mut buffer, 40, 1, (0..3).map(point)).unwrap();
        let (start, frame) = Frame::find(&buffer, 0, 30).unwrap();
        assert_eq!((start, frame.first), (100, 40));
        assert_eq!(Frame::find(&buffer, 0, 41), None);
    }
}
