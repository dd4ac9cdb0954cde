//! One log: appended to at its end, read and acknowledged at its beginning.

mod damaged;
mod state;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlflow_core::model::RunStatus;

use crate::budget::Budget;
use crate::cursor::CursorFile;
use crate::entry::EntryRef;
use crate::error::{At, OutboxError, Result};
use crate::files;
use crate::header::Header;
use crate::reader::{Chunk, Position, Reader};
use crate::rejected::{Rejected, RejectedFile};
use crate::segment::Segment;

/// How many entries make a delivery worth its request at once.
const FULL_REQUEST: u64 = 1000;

const RUN_FILE: &str = "run";

/// A log and its files. All of its functions may be called from any thread.
#[derive(Debug)]
pub struct Log {
    header: Header,
    folder: PathBuf,
    budget: Arc<Budget>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Oldest first; the last one is appended to.
    segments: VecDeque<Segment>,
    file: Arc<File>,
    /// The number that the next entry gets.
    next: u64,
    /// Where the first entry is that was not delivered yet.
    cursor: Position,
    cursor_file: CursorFile,
    buffer: Vec<u8>,
    /// A failed write may have left a part of itself behind.
    torn: bool,
    dirty: bool,
    new_files: bool,
    /// Full segments that were not flushed yet.
    unflushed: Vec<Arc<File>>,
    flush_error: Option<String>,
    /// When something was last logged.
    latest: Option<i64>,
    /// The last thing logged is the run's end.
    ended: bool,
    rejected: RejectedFile,
    lost: u64,
    run_id: Option<String>,
    removed: bool,
}

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Another full request's worth is waiting now.
    pub full: bool,
}

/// How far a log is; entries are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub logged: u64,
    pub delivered: u64,
    pub rejected: u64,
    pub lost: u64,
}

/// What there is to know of a log. Times are in ms since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    pub waiting: u64,
    pub bytes: u64,
    /// When the first of those that wait was logged.
    pub oldest: Option<i64>,
    /// When something was last logged, as far as the files still tell.
    pub latest: Option<i64>,
    pub rejected: u64,
    /// Entries that damage to the files made unreadable; copies of these are kept.
    pub lost: u64,
    pub ended: bool,
    pub run_id: Option<String>,
    /// Why the last flush to the disk failed.
    pub flush_error: Option<String>,
}

impl Log {
    pub(crate) fn create(folder: PathBuf, header: Header, budget: Arc<Budget>) -> Result<Self> {
        // A folder has its right name only once it is a log.
        let unfinished = folder.with_extension("new");
        let _ = fs::remove_dir_all(&unfinished);
        fs::create_dir_all(&unfinished).at(&unfinished)?;
        header.write(&unfinished)?;
        fs::rename(&unfinished, &folder)
            .and_then(|()| folder.parent().map_or(Ok(()), files::sync_folder))
            .at(&folder)?;
        Self::open(folder, budget)
    }

    pub(crate) fn open(folder: PathBuf, budget: Arc<Budget>) -> Result<Self> {
        let header = Header::read(&folder)?;
        let state = State::open(&folder)?;
        budget.take_anyway(state.waiting_bytes() + state.rejected.bytes);
        Ok(Self {
            header,
            folder,
            budget,
            state: Mutex::new(state),
        })
    }

    /// Where its files are; no other log has the same.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn key(&self) -> &str {
        &self.header.key
    }

    pub fn identity(&self) -> &str {
        &self.header.identity
    }

    /// Keeps the entries, all or none, with one write; in the page cache when it returns. Entries
    /// are encoded as they come, so an error among them ends it.
    pub fn append<'a, E: From<OutboxError>>(
        &self,
        entries: impl IntoIterator<Item = std::result::Result<EntryRef<'a>, E>>,
    ) -> std::result::Result<Appended, E> {
        let mut state = self.state();
        let count = state.encode(entries)?;
        self.budget.take(state.buffer.len() as u64)?;
        let appended = self.write(&mut state, count)?;
        if count > 0 {
            state.ended = false;
        }
        Ok(appended)
    }

    /// The run's status, behind everything logged before. There is always room for it.
    pub fn append_status(&self, status: &RunStatus, end_time: Option<i64>) -> Result<Appended> {
        let mut state = self.state();
        let status_name = status.as_str();
        let entry = EntryRef::Status {
            status: status_name,
            end_time,
        };
        let count = state.encode([Ok::<_, OutboxError>(entry)])?;
        self.budget.take_anyway(state.buffer.len() as u64);
        let appended = self.write(&mut state, count)?;
        state.ended = status.is_terminal();
        Ok(appended)
    }

    fn write(&self, state: &mut State, count: u64) -> Result<Appended> {
        let bytes = state.buffer.len() as u64;
        let before = state.waiting() / FULL_REQUEST;
        let outcome = state.write(&self.folder, count);
        if outcome.is_err() {
            self.budget.give_back(bytes);
        }
        outcome.map(|()| Appended {
            full: state.waiting() / FULL_REQUEST > before,
        })
    }

    /// The next entries to deliver, at most `most`; `None` when all are delivered.
    pub fn next(&self, most: usize) -> Result<Option<Chunk>> {
        let (segments, next, cursor) = {
            let state = self.state();
            (state.segments.clone(), state.next, state.cursor)
        };
        let reader = Reader {
            folder: &self.folder,
            segments: &segments,
            next,
        };
        reader.chunk(cursor, most)
    }

    /// The chunk was delivered, except for what was refused for good.
    pub fn acknowledge(&self, chunk: &Chunk, rejected: &[Rejected]) -> Result<()> {
        let mut state = self.state();
        // Somebody has discarded what was being delivered.
        if state.cursor != chunk.begin || state.removed {
            return Ok(());
        }
        if !rejected.is_empty() {
            let before = state.rejected.bytes;
            state.rejected.add(rejected)?;
            self.budget.take_anyway(state.rejected.bytes - before);
        }
        for damage in &chunk.damage {
            damaged::keep(&self.folder, damage)?;
            state.lost += damage.lost;
        }
        let delivered = self.advance(&mut state, chunk.end);
        // Nobody who logs waits for files to be deleted.
        drop(state);
        delivered.map(|segments| self.remove_all(&segments))
    }

    /// Answers the segments that are of no more use.
    fn advance(&self, state: &mut State, to: Position) -> Result<Vec<Segment>> {
        let before = state.waiting_bytes();
        let delivered = state.advance(&self.folder, to);
        self.budget
            .give_back(before.saturating_sub(state.waiting_bytes()));
        delivered
    }

    fn remove_all(&self, segments: &[Segment]) {
        for segment in segments {
            segment.remove(&self.folder);
        }
    }

    pub fn progress(&self) -> Progress {
        let state = self.state();
        Progress {
            logged: state.next,
            delivered: state.cursor.entry,
            rejected: state.rejected.count,
            lost: state.lost,
        }
    }

    pub fn info(&self) -> Info {
        let state = self.state();
        let reader = Reader {
            folder: &self.folder,
            segments: &state.segments,
            next: state.next,
        };
        let waits = state.waiting() > 0;
        Info {
            waiting: state.waiting(),
            bytes: state.waiting_bytes(),
            oldest: waits.then(|| reader.appended_at(state.cursor)).flatten(),
            latest: state.latest,
            rejected: state.rejected.count,
            lost: state.lost,
            ended: state.ended,
            run_id: state.run_id.clone(),
            flush_error: state.flush_error.clone(),
        }
    }

    /// Remembers which run this goes to.
    pub fn keep_run_id(&self, run_id: &str) -> Result<()> {
        files::replace(&self.folder.join(RUN_FILE), run_id.as_bytes())?;
        self.state().run_id = Some(run_id.to_owned());
        Ok(())
    }

    pub fn rejected(&self) -> Result<Vec<Rejected>> {
        self.state().rejected.read()
    }

    /// Gives up what waits, and forgets what was refused or damaged.
    pub fn discard(&self) -> Result<()> {
        let mut state = self.state();
        if state.removed {
            return Ok(());
        }
        let end = state.end();
        let discarded = self.advance(&mut state, end)?;
        self.remove_all(&discarded);
        self.budget.give_back(state.rejected.bytes);
        state.rejected.forget();
        for path in damaged::files(&self.folder)? {
            fs::remove_file(&path).at(&path)?;
        }
        state.lost = 0;
        Ok(())
    }

    /// Flushes to the disk what was appended since the last time.
    pub fn flush(&self) -> Result<()> {
        let (files, new_files) = self.state().unflushed();
        let flushed = files
            .iter()
            .try_for_each(|file| file.sync_data())
            .and_then(|()| match new_files {
                true => files::sync_folder(&self.folder),
                false => Ok(()),
            });
        let outcome = flushed.at(&self.folder);
        let mut state = self.state();
        // The folder of a log that was removed meanwhile is gone, and rightly so.
        if state.removed {
            return Ok(());
        }
        if outcome.is_err() {
            state.unflushed.extend(files);
            state.new_files |= new_files;
        }
        state.flush_error = outcome.as_ref().err().map(|error| error.message.clone());
        outcome
    }

    /// Removes the files if nothing in them is of use any more; tells whether it did.
    pub(crate) fn remove_if_done(&self) -> Result<bool> {
        let mut state = self.state();
        let open = state.waiting() > 0 || state.rejected.count > 0 || state.lost > 0;
        if open || state.removed {
            return Ok(state.removed);
        }
        let gone = self.folder.with_extension("gone");
        // What an earlier log of this number may have left there.
        let _ = fs::remove_dir_all(&gone);
        fs::rename(&self.folder, &gone).at(&self.folder)?;
        state.removed = true;
        self.budget.give_back(state.waiting_bytes());
        // What stays of it is removed at the next open.
        let _ = fs::remove_dir_all(&gone);
        Ok(true)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
