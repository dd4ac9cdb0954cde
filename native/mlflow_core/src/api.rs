//! The calls of MLflow's tracking API, one method of [`Client`](crate::client::Client) each.

mod entities;
mod experiments;
mod metrics;
mod runs;
mod server;
mod wire;

pub use self::experiments::SearchExperiments;
pub use self::runs::{CreateRun, RunUpdate, SearchRuns};
