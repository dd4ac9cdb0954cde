//! What each endpoint does, one file per MLflow resource. A handler reads its request, asks the
//! store, and answers.

mod experiments;
mod runs;

use std::future::Future;
use std::pin::Pin;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Method;

use crate::answer::{Answered, refuse};
use crate::app::App;
use crate::call::Call;

type Handled = Pin<Box<dyn Future<Output = Answered> + Send>>;
pub type Handler = Box<dyn Fn(App, Call) -> Handled + Send + Sync>;

/// A path below `/api/2.0/mlflow`, and what answers there.
pub struct Endpoint {
    pub method: Method,
    pub path: &'static str,
    pub handler: Handler,
}

/// Every endpoint of the REST API under `/mlflow`; artifacts and pages are routed by themselves.
pub fn endpoints() -> Vec<Endpoint> {
    [experiments::endpoints(), runs::endpoints()]
        .into_iter()
        .flatten()
        .collect()
}

fn get<F>(path: &'static str, handler: fn(App, Call) -> F) -> Endpoint
where
    F: Future<Output = Answered> + Send + 'static,
{
    endpoint(Method::GET, path, handler)
}

fn post<F>(path: &'static str, handler: fn(App, Call) -> F) -> Endpoint
where
    F: Future<Output = Answered> + Send + 'static,
{
    endpoint(Method::POST, path, handler)
}

fn endpoint<F>(method: Method, path: &'static str, handler: fn(App, Call) -> F) -> Endpoint
where
    F: Future<Output = Answered> + Send + 'static,
{
    Endpoint {
        method,
        path,
        handler: Box::new(move |app, call| Box::pin(handler(app, call))),
    }
}

/// The version of MLflow that this server answers as.
pub const MLFLOW_VERSION: &str = "3.17.2";

pub async fn version() -> &'static str {
    MLFLOW_VERSION
}

/// "OK", once the database has been asked.
pub async fn health(State(app): State<App>) -> Response {
    let asked = app
        .read(|conn| Ok(conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?));
    match asked.await {
        Ok(()) => "OK".into_response(),
        Err(refusal) => refuse(&refusal),
    }
}
