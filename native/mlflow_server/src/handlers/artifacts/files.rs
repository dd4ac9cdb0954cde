//! What MLflow's web interface asks of single files.

use axum::Router;
use axum::body::Body;
use axum::extract::{RawPathParams, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, header};
use mlflow_store::tracking::{Code, Refusal, model_versions};

use super::{uri_of_model, uri_of_run};
use crate::answer::refuse;
use crate::app::App;
use crate::artifacts::{ArtifactPath, Artifacts, Download, Limits};
use crate::body::{self, Unread};
use crate::call::Call;

/// Of what is uploaded through the interface (bytes).
const LARGEST: usize = 10 << 20;

pub fn router() -> Router<App> {
    Router::new()
        .route("/get-artifact", get(of_run))
        .route("/model-versions/get-artifact", get(of_version))
        .route(
            "/ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files",
            get(of_model),
        )
        .route("/ajax-api/2.0/mlflow/upload-artifact", post(upload))
}

async fn of_run(State(app): State<App>, params: RawPathParams, request: Request) -> Response {
    let (call, headers) = taken_apart(&params, request);
    let found = async {
        let path = required(&call, "path")?;
        let id = call.query("run_id").filter(|id| !id.is_empty());
        let id = id.or_else(|| call.query("run_uuid")).unwrap_or("None");
        let root = uri_of_run(&app, id).await?;
        open(&app, &root, path).await
    };
    send(found.await, &headers).await
}

async fn of_version(State(app): State<App>, params: RawPathParams, request: Request) -> Response {
    let (call, headers) = taken_apart(&params, request);
    let found = async {
        let path = required(&call, "path")?;
        let parameter = |name: &str| call.query(name).unwrap_or_default().to_owned();
        let (name, version) = (parameter("name"), parameter("version"));
        let root = app
            .read(move |conn| model_versions::download_uri(conn, &name, &version))
            .await?;
        open(&app, &root, path).await
    };
    send(found.await, &headers).await
}

async fn of_model(State(app): State<App>, params: RawPathParams, request: Request) -> Response {
    let (call, headers) = taken_apart(&params, request);
    let found = async {
        let path = required(&call, "artifact_file_path")?;
        let root = uri_of_model(&app, call.path("model_id")).await?;
        open(&app, &root, path).await
    };
    send(found.await, &headers).await
}

async fn upload(State(app): State<App>, params: RawPathParams, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let call = Call::new(&parts, &params, Bytes::new());
    match store(&app, &call, body).await {
        Ok(()) => [(header::CONTENT_TYPE, "application/json")].into_response(),
        Err(refusal) => refuse(&refusal),
    }
}

async fn store(app: &App, call: &Call, body: Body) -> Result<(), Refusal> {
    let given = |name: &str| {
        let value = call.query(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| Refusal::invalid(format!("Request must specify {name}.")))
    };
    let run_id = given("run_uuid")?;
    let path = ArtifactPath::parse(given("path")?)?;
    let pause = app.config().request_timeout;
    let too_large = || Refusal::invalid("Artifact size is too large. Max size is 10MB.");
    let read = tokio::time::timeout(pause, body::read(app, body, LARGEST)).await;
    let read = read.map_err(|_| too_large())?;
    let data = read.map_err(|unread| match unread {
        Unread::TooLarge | Unread::BrokenOff => too_large(),
        Unread::Refused(refusal) => refusal,
    })?;
    if data.bytes.is_empty() {
        return Err(Refusal::invalid("Request must specify data."));
    }
    let root = uri_of_run(app, run_id).await?;
    let artifacts = Artifacts::of(app);
    let limits = Limits {
        bytes: LARGEST as u64,
        pause,
    };
    if path.split().1.is_empty() {
        return Err(Refusal::invalid(
            "Artifact path must include a filename (cannot end with '/').",
        ));
    }
    let target = artifacts.locate(&root)?.join(&path);
    artifacts
        .put(target, data.bytes.clone().into(), limits)
        .await
}

/// Messages name the artifact from the folder of all artifacts on where the proxy serves it, and
/// from `root` on where it lies in the folder by itself, as MLflow's do.
async fn open(app: &App, root: &str, path: ArtifactPath) -> Result<Download, Refusal> {
    let artifacts = Artifacts::of(app);
    let location = artifacts.locate(root)?;
    let target = location.join(&path);
    let shown = if location.is_proxied {
        target.clone()
    } else {
        path
    };
    Ok(artifacts.get(target, shown).await?)
}

async fn send(found: Result<Download, Refusal>, request: &HeaderMap) -> Response {
    match found {
        Ok(download) => download.send(request).await,
        Err(refusal) => refuse(&refusal),
    }
}

fn taken_apart(params: &RawPathParams, request: Request) -> (Call, HeaderMap) {
    let (parts, _) = request.into_parts();
    let call = Call::new(&parts, params, Bytes::new());
    (call, parts.headers)
}

fn required(call: &Call, parameter: &str) -> Result<ArtifactPath, Refusal> {
    match call.query(parameter) {
        Some(path) if !path.is_empty() => ArtifactPath::parse(path),
        _ => Err(Refusal::new(
            Code::BadRequest,
            format!("Request must include the \"{parameter}\" query parameter."),
        )),
    }
}
