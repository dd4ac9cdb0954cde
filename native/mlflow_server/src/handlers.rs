//! What each endpoint does, one file per MLflow resource. A handler reads its request, asks the
//! store, and answers.

pub mod artifacts;
mod experiments;
mod interface;
mod logged_models;
mod metrics;
mod model_versions;
mod registered_models;
mod registry_search;
mod runs;
mod search;

use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;

use http::Method;
use mlflow_store::tracking::{Code, Refusal};

use crate::answer::Answered;
use crate::app::App;
use crate::call::Call;

pub(crate) use experiments::parse_id as parse_experiment_id;

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
    [
        artifacts::endpoints(),
        experiments::endpoints(),
        interface::endpoints(),
        logged_models::endpoints(),
        metrics::endpoints(),
        model_versions::endpoints(),
        registered_models::endpoints(),
        registry_search::endpoints(),
        runs::endpoints(),
        search::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Asks the endpoint at `path` from within.
pub async fn call(path: &str, app: App, call: Call) -> Answered {
    static ENDPOINTS: LazyLock<Vec<Endpoint>> = LazyLock::new(endpoints);
    let found = ENDPOINTS.iter().find(|endpoint| endpoint.path == path);
    let endpoint = found.ok_or_else(|| {
        let message = format!("{path} is not served here");
        Refusal::new(Code::NotImplemented, message)
    })?;
    (endpoint.handler)(app, call).await
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

fn patch<F>(path: &'static str, handler: fn(App, Call) -> F) -> Endpoint
where
    F: Future<Output = Answered> + Send + 'static,
{
    endpoint(Method::PATCH, path, handler)
}

fn delete<F>(path: &'static str, handler: fn(App, Call) -> F) -> Endpoint
where
    F: Future<Output = Answered> + Send + 'static,
{
    endpoint(Method::DELETE, path, handler)
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
