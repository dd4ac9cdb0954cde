//! A look at a database file that changes nothing about it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::error::Result;
use crate::schema;
use crate::store::BUSY_TIMEOUT;

/// What is wrong is told up to here; the rest would add nothing.
const TOLD: u32 = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkup {
    /// The file's schema version; 0 for an empty file.
    pub version: usize,
    /// The version that opening the file would bring it to.
    pub current: usize,
    /// What SQLite finds wrong with the file, if anything.
    pub damage: Vec<String>,
}

/// Examines the file at `path`, which may be in use. A file that is missing, unreadable, another
/// application's or a newer version's is an error.
pub fn check(path: &Path) -> Result<Checkup> {
    examine(path).map_err(|error| error.at(path))
}

fn examine(path: &Path) -> Result<Checkup> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    Ok(Checkup {
        version: schema::version(&conn)?,
        current: schema::current(),
        damage: damage(&conn)?,
    })
}

fn damage(conn: &Connection) -> Result<Vec<String>> {
    let mut check = conn.prepare(&format!("PRAGMA quick_check({TOLD})"))?;
    let told = check.query_map([], |row| row.get(0))?;
    let told = told.collect::<rusqlite::Result<Vec<String>>>()?;
    Ok(told.into_iter().filter(|line| line != "ok").collect())
}
