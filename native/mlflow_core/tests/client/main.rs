//! The client against a scripted server.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod api;
mod auth;
mod connections;
mod history;
mod limits;
mod probe;
mod proxy;
mod responses;
mod retries;
#[path = "../support/mod.rs"]
mod support;
mod tls;

use std::time::Duration;

use mlflow_core::client::{Client, ClientConfig};
use support::Server;

const RUN: &str = "0123456789abcdef0123456789abcdef";

/// As configured by default, but in a hurry.
fn config(server: &Server) -> ClientConfig {
    ClientConfig {
        tracking_uri: server.uri(),
        attempt_timeout: Duration::from_secs(5),
        total_timeout: Duration::from_secs(10),
        backoff_base: Duration::from_millis(1),
        max_retries: 2,
        ..ClientConfig::default()
    }
}

fn client(server: &Server) -> Client {
    Client::new(config(server)).unwrap()
}
