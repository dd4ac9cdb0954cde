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
pub mod metrics;
pub mod python;
pub mod runs;
pub mod uris;
pub mod validate;

pub use error::{Code, Refusal, Result};
