//! The server over HTTP, one module per MLflow resource.
#![forbid(unsafe_code)]
#![cfg(test)]

mod batch;
mod experiments;
mod inputs;
mod logging;
mod metrics;
mod runs;
mod support;
