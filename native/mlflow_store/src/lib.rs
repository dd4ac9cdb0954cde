//! The embedded default store: trials, runs, experiments, metric points and jobs in one SQLite
//! file, so that an application needs no database of its own to synchronise with MLflow.
//!
//! A [`Store`] owns one writer thread, and the thread owns the connection. Every operation is a
//! plain function over a [`Connection`], grouped by noun, and is handed to that thread:
//!
//! ```
//! use mlflow_store::{Point, Store, trials};
//! use serde_json::json;
//!
//! # fn main() -> mlflow_store::Result<()> {
//! let store = Store::open(":memory:".as_ref())?;
//! let trial = store.run(|conn| {
//!     let columns = json!({"trial_id": "t-1", "status": "completed"});
//!     let columns = columns.as_object().cloned().unwrap_or_default();
//!     trials::create(conn, columns, &[Point::last("loss", 0.25)], 1_700_000_000_000)
//! })?;
//! assert_eq!(trial["status"], "completed");
//! # Ok(())
//! # }
//! ```
//!
//! Times are milliseconds since the epoch and always come from the caller, so that every function
//! can be tested and replayed. Several processes may open the same file at once.
#![forbid(unsafe_code)]

mod checkup;
mod codec;
mod error;
mod group;
mod in_step;
mod raw;
mod readers;
mod schema;
mod store;
mod transaction;

pub mod experiments;
pub mod history;
pub mod jobs;
pub mod owner;
pub mod points;
pub mod record;
pub mod runs;
pub mod sides;
pub mod tables;
pub mod tracking;
pub mod trials;

pub use checkup::{Checkup, check};
pub use error::{ErrorKind, Result, StoreError};
pub use in_step::{Seen, in_step};
pub use points::{Point, RecordedPoint, Unsent};
pub use raw::{Cell, RawRow};
pub use readers::Readers;
pub use record::{Filter, Order, Record};
pub use rusqlite::Connection;
pub use store::{Store, Work};
pub use transaction::transaction;
