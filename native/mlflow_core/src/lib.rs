//! The engine: an MLflow tracking client, the batching of entities into requests, and the
//! three-way diff between a trial and its run. It knows nothing of the BEAM.

#![forbid(unsafe_code)]

pub mod api;
pub mod batch;
pub mod client;
pub mod diff;
mod digest;
pub mod error;
pub mod model;
pub mod sync;
mod validate;

pub use error::{Error, ErrorKind, Result};
