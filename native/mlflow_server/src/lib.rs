//! An MLflow tracking server over the embedded store: MLflow's REST API, without Python.
//!
//! A request goes down this list: [`server`](Server) accepts the connection and keeps its limits, the
//! guard asks who it is and whence, the router finds the handler, `message` reads the request as
//! MLflow's protobufs would, and the handler asks `mlflow_store::tracking`, on the writer's thread
//! or on one of the readers'.
#![forbid(unsafe_code)]

mod answer;
mod app;
mod artifacts;
mod body;
mod call;
mod config;
mod grammar;
mod graphql;
mod guard;
mod handlers;
mod message;
mod metrics;
mod monitoring;
mod names;
mod observer;
mod page_token;
mod pages;
mod router;
mod server;

pub use config::{Auth, Config};
pub use observer::{Change, ChangeKind, Observer, Request};
pub use server::{Server, StartError};
