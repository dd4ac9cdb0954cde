//! What an MLflow tracking server keeps, one file per noun. Every function takes a [`Connection`]
//! and answers as MLflow's own SQL store would, in MLflow's words where it refuses.
//!
//! Reads are for [`Readers`](crate::Readers), writes for [`Store::write`](crate::Store::write).
//! Times are milliseconds since the epoch.
//!
//! [`Connection`]: rusqlite::Connection

mod error;

pub mod batch;
pub mod entities;
pub mod experiments;
pub mod import;
pub mod logged_models;
pub mod metrics;
pub mod model_versions;
pub mod page_token;
pub mod python;
pub mod query;
pub mod registered_models;
pub mod runs;
pub mod search;
pub mod uris;
pub mod validate;

pub use error::{Code, Refusal, Result};

/// Every row that a query finds.
fn rows<T>(
    conn: &rusqlite::Connection,
    sql: &str,
    params: impl rusqlite::Params,
    load: impl FnMut(&rusqlite::Row) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map(params, load)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
