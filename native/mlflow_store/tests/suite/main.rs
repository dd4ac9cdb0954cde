//! The store through its public API, one module per noun.
#![forbid(unsafe_code)]
#![cfg(test)]

mod checkup;
mod crash;
mod experiments;
mod groups;
mod history;
mod import;
mod in_step;
mod jobs;
mod points;
mod records;
mod runs;
mod schema;
mod sharing;
mod sides;
mod store;
mod support;
mod tracking_runs;
mod trials;
mod trouble;
