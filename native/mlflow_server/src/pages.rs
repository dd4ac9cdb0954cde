//! MLflow's own web interface, from the folder that an installed `mlflow` package has it in
//! (`mlflow/server/js/build`).

use std::path::{Component, Path, PathBuf};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path as UrlPath, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};

use crate::app::App;

/// Four weeks: the names of the files change with what is in them.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=2419200");

const NONE: &str = "<!doctype html><title>MLflow tracking server</title>
<p>This is the MLflow tracking server of mlflow_sync; its API is at <code>/api/2.0/mlflow</code>.
<p>It shows MLflow's own web interface when it is told where an installed <code>mlflow</code>
package has it: start it with the option <code>ui</code> set to
<code>.../site-packages/mlflow/server/js/build</code>.";

pub fn router() -> Router<App> {
    Router::new()
        .route("/", get(index))
        .route("/static-files/{*path}", get(file))
}

async fn index(State(app): State<App>) -> Response {
    match &app.config().ui {
        None => Html(NONE).into_response(),
        Some(folder) => {
            let mut response = send(folder.join("index.html")).await;
            let headers = response.headers_mut();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            // No page of another site may show it in a frame and guide the clicks of its user.
            headers.insert(
                header::X_FRAME_OPTIONS,
                HeaderValue::from_static("SAMEORIGIN"),
            );
            response
        }
    }
}

async fn file(State(app): State<App>, UrlPath(path): UrlPath<String>) -> Response {
    let path = PathBuf::from(path);
    let stays_inside = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    match &app.config().ui {
        Some(folder) if stays_inside => {
            let mut response = send(folder.join(path)).await;
            if response.status().is_success() {
                response.headers_mut().insert(header::CACHE_CONTROL, KEPT);
            }
            response
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn send(path: PathBuf) -> Response {
    let Ok(content) = tokio::fs::read(&path).await else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = Response::new(Body::from(content));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type(&path));
    response
}

/// Of what such a build consists of.
fn content_type(path: &Path) -> HeaderValue {
    let extension = path.extension().and_then(|extension| extension.to_str());
    HeaderValue::from_static(match extension.unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "gif" => "image/gif",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    })
}
