//! One write, whole or not at all.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::{Result, StoreError};

/// Runs `work` in a transaction, or as part of the one that is already open.
///
/// The write lock is taken first (`BEGIN IMMEDIATE`): a read that a later write depends on cannot
/// go stale in another process, and waiting for the lock honours the busy timeout.
///
/// An error inside a nested call must be passed on, so that the outermost one rolls everything back.
pub fn transaction<T>(conn: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    if !conn.is_autocommit() {
        return work(conn);
    }

    let transaction = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let outcome = work(&transaction)?;
    transaction.commit()?;
    Ok(outcome)
}

/// Reads that must agree with one another: all of them see the database as the first one does.
pub(crate) fn snapshot<T, E: From<StoreError>>(
    conn: &Connection,
    work: impl FnOnce(&Connection) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    if !conn.is_autocommit() {
        return work(conn);
    }
    let transaction = Transaction::new_unchecked(conn, TransactionBehavior::Deferred)
        .map_err(StoreError::from)?;
    work(&transaction)
}
