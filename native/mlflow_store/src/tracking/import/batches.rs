//! Many things, written in transactions of moderate size.

use rusqlite::Connection;

use super::Progress;
use crate::error::Result;
use crate::transaction::transaction;

/// Rows in one transaction, unless one thing alone has more.
const MOST_ROWS: u64 = 20_000;

/// Calls `write`, which answers how many rows that took, for each of them.
pub fn each<T>(
    conn: &Connection,
    table: &'static str,
    things: &[T],
    progress: &mut dyn FnMut(Progress),
    mut write: impl FnMut(&T) -> Result<u64>,
) -> Result<()> {
    let mut done = 0;
    while done < things.len() {
        done = transaction(conn, |_| {
            let mut rows = 0;
            let mut done = done;
            while done < things.len() && rows < MOST_ROWS {
                rows += write(&things[done])?;
                done += 1;
            }
            Ok(done)
        })?;
        progress(Progress {
            table,
            done,
            total: things.len(),
        });
    }
    Ok(())
}
