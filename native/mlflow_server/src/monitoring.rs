//! What a supervisor asks: whether the server works, which it is, and how it fares.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, header};
use mlflow_store::tracking::{Code, Refusal};

use crate::answer::refuse;
use crate::app::App;

/// The version of MLflow that this server answers as.
pub const MLFLOW_VERSION: &str = "3.17.2";

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

pub async fn version() -> Html<&'static str> {
    Html(MLFLOW_VERSION)
}

/// "OK", once the database has been read and the writer has answered.
pub async fn health(State(app): State<App>) -> Response {
    let checked = async {
        app.read(|conn| Ok(conn.query_row("SELECT count(*) FROM experiments", [], |_| Ok(()))?))
            .await?;
        app.write(|_| Ok(())).await
    };
    match checked.await {
        Ok(()) => "OK".into_response(),
        Err(refusal) => refuse(&refusal),
    }
}

pub async fn metrics(State(app): State<App>) -> Response {
    match app.metrics().encode() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => refuse(&Refusal::new(Code::InternalError, error.to_string())),
    }
}
