//! The versions of the schema, and whose file this is.

use rusqlite::Connection;

use crate::error::{ErrorKind, Result, StoreError};
use crate::transaction::transaction;

/// "MLSY": marks the file as ours in the SQLite header.
const APPLICATION_ID: i64 = 0x4D4C_5359;

/// Migration `n` takes version `n` to `n + 1`. Released ones never change; new ones are added.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/001_initial.sql"),
    include_str!("../migrations/002_history.sql"),
    include_str!("../migrations/003_tracking.sql"),
];

/// The file's schema version, once it is known to be ours or empty. Writes nothing, so that
/// another application's file, or a newer version's, is refused untouched.
pub(crate) fn version(conn: &Connection) -> Result<usize> {
    // One statement and so one snapshot: another process may be migrating a new file right now.
    let header = "SELECT application_id, user_version, NOT EXISTS (SELECT 1 FROM sqlite_schema) \
                  FROM pragma_application_id, pragma_user_version";
    let (application_id, version, empty): (i64, i64, bool) =
        conn.query_row(header, [], |row| row.try_into())?;

    match (application_id, usize::try_from(version)) {
        (APPLICATION_ID, Ok(version)) if version <= MIGRATIONS.len() => Ok(version),
        (APPLICATION_ID, _) => Err(newer(version)),
        (0, Ok(0)) if empty => Ok(0),
        _ => Err(foreign()),
    }
}

/// The version that this library writes.
pub(crate) const fn current() -> usize {
    MIGRATIONS.len()
}

/// Brings the schema up to date, in place and all at once.
pub(crate) fn migrate(conn: &Connection) -> Result<()> {
    if version(conn)? == MIGRATIONS.len() {
        return Ok(());
    }

    transaction(conn, |conn| {
        // Asked again: another process may have migrated while this one waited for the lock.
        for migration in &MIGRATIONS[version(conn)?..] {
            conn.execute_batch(migration)?;
        }
        conn.pragma_update(None, "application_id", APPLICATION_ID)?;
        conn.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
        Ok(())
    })
}

fn newer(version: i64) -> StoreError {
    let known = MIGRATIONS.len();
    let message = format!(
        "the database has schema version {version}, written by a newer mlflow_sync; this one knows \
         up to {known}: upgrade mlflow_sync, or open another file"
    );
    StoreError::new(ErrorKind::Newer, message)
}

fn foreign() -> StoreError {
    let message = "not an mlflow_sync database but another application's: choose another path";
    StoreError::new(ErrorKind::Corrupt, message)
}
