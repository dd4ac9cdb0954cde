//! Connections that only read, each seeing the last commit, and never waiting for the writer.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};

use crate::error::{Result, StoreError};
use crate::transaction::snapshot;

const STATEMENTS_KEPT: usize = 128;
/// Per connection (KiB). What is not in it is in the page cache of the operating system.
const CACHE: i64 = -2_000;
/// Steps of SQLite's machine between two looks at whether a read is still waited for: a row is some
/// tens of them, and may be a long text that is compared.
const STEPS: i32 = 100;
/// What is kept open for the next reader; more are opened when more read at once.
const IDLE_KEPT: usize = 4;

/// The readers of one database file.
#[derive(Debug)]
pub struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Of a file that a [`Store`](crate::Store) has opened, and so created and migrated.
    pub fn open(path: &Path) -> Result<Self> {
        let readers = Self {
            path: path.to_owned(),
            idle: Mutex::default(),
        };
        readers.give_back(connect(path)?);
        Ok(readers)
    }

    /// Runs `work`, whose reads all see the database as the first one does. Blocks for as long as
    /// the reads take; they fail soon after `is_awaited` says that nobody waits for them any more.
    pub fn read<T, E: From<StoreError>>(
        &self,
        is_awaited: impl Fn() -> bool + Send + 'static,
        work: impl FnOnce(&Connection) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        if !is_awaited() {
            return Err(StoreError::given_up().into());
        }
        let mut conn = self.take()?;
        let give_up = Some(move || !is_awaited());
        conn.progress_handler(STEPS, give_up)
            .map_err(StoreError::from)?;
        let outcome = snapshot(&conn, work);
        conn.progress_handler(0, None::<fn() -> bool>)
            .map_err(StoreError::from)?;
        self.give_back(conn);
        outcome
    }

    fn take(&self) -> Result<Connection> {
        let idle = self.idle().pop();
        idle.map_or_else(|| connect(&self.path), Ok)
    }

    fn give_back(&self, conn: Connection) {
        let mut idle = self.idle();
        if idle.len() < IDLE_KEPT {
            idle.push(conn);
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(crate::store::BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    conn.pragma_update(None, "cache_size", CACHE)?;
    conn.pragma_update(None, "query_only", true)?;
    Ok(conn)
}
