//! Which path leads where, and what every request goes through on its way.

use std::time::Instant;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, get, on, post};
use http::{HeaderValue, StatusCode, header};
use mlflow_store::tracking::{Code, Refusal};

use crate::answer::{Refused, refuse};
use crate::app::App;
use crate::body::{self, Unread};
use crate::call::Call;
use crate::graphql::graphql;
use crate::guard::guard;
use crate::handlers::artifacts::{files, proxy};
use crate::handlers::{self, Endpoint};
use crate::{monitoring, observer, pages};

/// MLflow 3's clients ask for some endpoints, its web interface for others, under these.
const PREFIXES: [&str; 4] = [
    "/api/2.0/mlflow",
    "/ajax-api/2.0/mlflow",
    "/api/3.0/mlflow",
    "/ajax-api/3.0/mlflow",
];

const ARTIFACT_PREFIXES: [&str; 2] = [
    "/api/2.0/mlflow-artifacts",
    "/ajax-api/2.0/mlflow-artifacts",
];

pub fn router(app: App) -> Router {
    let api = table(handlers::endpoints());
    let proxy = table(proxy::endpoints()).merge(proxy::router());
    let mut router = Router::new()
        .route("/health", get(monitoring::health))
        .route("/version", get(monitoring::version))
        .route("/metrics", get(monitoring::metrics))
        .route("/graphql", post(graphql))
        .route_layer(from_fn_with_state(app.clone(), in_time))
        .merge(pages::router())
        .merge(files::router());
    for prefix in PREFIXES {
        router = router.nest(prefix, api.clone());
    }
    for prefix in ARTIFACT_PREFIXES {
        router = router.nest(prefix, proxy.clone());
    }
    router
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(from_fn_with_state(app.clone(), guard))
        .layer(from_fn_with_state(app.clone(), observe))
        .layer(map_response(unsniffed))
        .with_state(app)
}

fn table(endpoints: Vec<Endpoint>) -> Router<App> {
    endpoints
        .into_iter()
        .fold(Router::new(), |router, endpoint| {
            // Only methods of our own are in the table.
            let filter =
                MethodFilter::try_from(endpoint.method.clone()).unwrap_or(MethodFilter::GET);
            let path = format!("/{}", endpoint.path);
            let endpoint = std::sync::Arc::new(endpoint);
            router.route(
                &path,
                on(filter, move |State(app): State<App>, params, request| {
                    let endpoint = endpoint.clone();
                    async move { answer(&endpoint, app, params, request).await }
                }),
            )
        })
}

async fn answer(
    endpoint: &Endpoint,
    app: App,
    params: RawPathParams,
    request: Request,
) -> Response {
    let limit = app.config().request_timeout;
    let answered = async {
        let (parts, body) = request.into_parts();
        let limit = app.config().largest_request;
        if body.size_hint().lower() > limit as u64 {
            return Err(too_large(limit));
        }
        let body = body::read(&app, body, limit).await;
        let body = body.map_err(|unread| match unread {
            Unread::TooLarge | Unread::BrokenOff => too_large(limit),
            Unread::Refused(refusal) => refusal,
        })?;
        let call = Call::new(&parts, &params, body.bytes.clone());
        (endpoint.handler)(app, call).await
    };
    match tokio::time::timeout(limit, answered).await {
        Ok(Ok(answer)) => answer.into_response(),
        Ok(Err(refusal)) => refuse(&refusal),
        Err(_) => late(),
    }
}

/// What a table's endpoints see to by themselves, of others: no body may be for ever on its way.
async fn in_time(State(app): State<App>, request: Request, next: Next) -> Response {
    let answered = tokio::time::timeout(app.config().request_timeout, next.run(request));
    answered.await.unwrap_or_else(|_| late())
}

fn too_large(limit: usize) -> Refusal {
    Refusal::invalid(format!(
        "The request is larger than the {limit} bytes that this server takes, or it broke off: \
         send it in smaller pieces."
    ))
}

fn late() -> Response {
    let message =
        "The request took longer than this server allows: try again, or send less at once.";
    refuse(&Refusal::new(Code::TemporarilyUnavailable, message))
}

/// A browser must not guess that a text is a page, whose scripts it would run.
async fn unsniffed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// Tells the observer of every request.
async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let received = request.body().size_hint().lower();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    app.answered(&observer::Request {
        method: method.as_str(),
        route: route.as_ref().map_or("", MatchedPath::as_str),
        status: response.status().as_u16(),
        duration: began.elapsed(),
        received,
        sent: response.body().size_hint().lower(),
        error_code: response
            .extensions()
            .get::<Refused>()
            .map(|refused| refused.0),
    });
    response
}
