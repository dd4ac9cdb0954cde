//! Writes of many callers in one transaction: each whole or not at all, and all of them committed
//! before any is acknowledged. A commit costs as much as dozens of small writes do.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::error::{ErrorKind, Result, StoreError};

/// What a group holds at most, so that its first write does not wait for the last for long.
const LARGEST: usize = 512;
const LONGEST: Duration = Duration::from_millis(10);

/// A write that shares its transaction with others.
pub(crate) trait Write: Send {
    /// Writes, and tells whether what it wrote is to stay.
    fn perform(&mut self, conn: &Connection) -> bool;
    /// Answers the caller, once it is known what became of the transaction.
    fn conclude(self: Box<Self>, committed: std::result::Result<(), Arc<StoreError>>);
}

/// A write, and how to answer whoever asked for it.
pub(crate) struct Pending<T, E, W, R> {
    work: Option<W>,
    outcome: Option<std::result::Result<T, E>>,
    reply: R,
}

impl<T, E, W, R> Pending<T, E, W, R> {
    pub(crate) fn new(work: W, reply: R) -> Self {
        Self {
            work: Some(work),
            outcome: None,
            reply,
        }
    }
}

impl<T, E, W, R> Write for Pending<T, E, W, R>
where
    T: Send,
    E: From<StoreError> + Send,
    W: FnOnce(&Connection) -> std::result::Result<T, E> + Send,
    R: FnOnce(std::result::Result<T, E>) + Send,
{
    fn perform(&mut self, conn: &Connection) -> bool {
        self.outcome = self.work.take().map(|work| work(conn));
        matches!(self.outcome, Some(Ok(_)))
    }

    fn conclude(self: Box<Self>, committed: std::result::Result<(), Arc<StoreError>>) {
        let Self { outcome, reply, .. } = *self;
        match (outcome, committed) {
            (Some(Err(refused)), _) => reply(Err(refused)),
            (Some(Ok(done)), Ok(())) => reply(Ok(done)),
            (_, Err(error)) => reply(Err(E::from(StoreError::clone(&error)))),
            // It panicked: what it would have answered is not known.
            (None, Ok(())) => reply(Err(E::from(StoreError::panicked()))),
        }
    }
}

/// Performs `first` and what `more` yields, and commits them together.
pub(crate) fn perform(
    conn: &Connection,
    first: Box<dyn Write>,
    mut more: impl FnMut() -> Option<Box<dyn Write>>,
) {
    let began = Instant::now();
    let mut performed = Vec::new();
    let mut next = Some(first);

    let mut state = execute(conn, "BEGIN IMMEDIATE");
    while let Some(mut write) = next {
        if state.is_ok() {
            state = perform_one(conn, write.as_mut());
        }
        performed.push(write);
        let room = performed.len() < LARGEST && began.elapsed() < LONGEST;
        next = if room && state.is_ok() { more() } else { None };
    }

    let committed = state
        .and_then(|()| execute(conn, "COMMIT"))
        .map_err(Arc::new);
    if committed.is_err() && !conn.is_autocommit() {
        // Its failure would leave nothing to do: the next group says why it cannot begin.
        let _ = execute(conn, "ROLLBACK");
    }
    for write in performed {
        write.conclude(committed.clone());
    }
}

/// An error is one of the whole group; what one write refuses is undone for it alone.
fn perform_one(conn: &Connection, write: &mut dyn Write) -> Result<()> {
    execute(conn, "SAVEPOINT one")?;
    // A panic is a bug in that write alone; the panic hook has reported it already.
    let stays = catch_unwind(AssertUnwindSafe(|| write.perform(conn))).unwrap_or(false);
    if conn.is_autocommit() {
        // A full disk, for one: SQLite undid everything.
        return Err(StoreError::new(
            ErrorKind::Io,
            "the database undid a transaction (is its disk full?): nothing was written; try again",
        ));
    }
    if !stays {
        execute(conn, "ROLLBACK TO one")?;
    }
    execute(conn, "RELEASE one")
}

fn execute(conn: &Connection, statement: &str) -> Result<()> {
    conn.prepare_cached(statement)?.execute([])?;
    Ok(())
}
