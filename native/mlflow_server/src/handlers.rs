//! What each endpoint does, one file per MLflow resource. A handler reads its request, asks the
//! store, and answers.

mod experiments;
mod interface;
mod metrics;
mod runs;

use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;

use http::Method;
use mlflow_store::tracking::{Code, Refusal};

use crate::answer::Answered;
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
    [
        experiments::endpoints(),
        interface::endpoints(),
        metrics::endpoints(),
        runs::endpoints(),
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
