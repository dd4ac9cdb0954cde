//! The server over HTTP, one module per MLflow resource.
#![forbid(unsafe_code)]
#![cfg(test)]

mod artifacts;
mod batch;
mod changes;
mod experiments;
mod inputs;
mod limits;
mod logged_models;
mod logging;
mod metrics;
mod model_versions;
mod registered_models;
mod registry_search;
mod requests;
mod runs;
mod search;
mod support;
