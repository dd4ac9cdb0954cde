//! `/api/2.0/mlflow-artifacts/*`: the folder of all artifacts, for clients that read and write
//! there through the server.

use axum::Router;
use axum::extract::{RawPathParams, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get as on_get;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use mlflow_store::tracking::{Code, Refusal};
use serde_json::json;

use super::super::{Endpoint, delete, get, post};
use crate::answer::{Answer, Answered, refuse};
use crate::app::App;
use crate::artifacts::{ArtifactPath, Artifacts, Limits, Unavailable, too_large};
use crate::call::Call;
use crate::message::{Field, Kind, Rule, Schema};

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("artifacts", list),
        delete("artifacts/{*path}", delete_artifact),
        post("mpu/create/{*path}", create_multipart),
        post("mpu/complete/{*path}", complete_multipart),
        post("mpu/abort/{*path}", abort_multipart),
        get("presigned/{*path}", presigned),
    ]
}

/// Downloads and uploads, which are not read whole.
pub fn router() -> Router<App> {
    Router::new().route("/artifacts/{*path}", on_get(download).put(upload))
}

async fn list(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[Field::text("path")],
        rules: &[],
    };
    let path = ArtifactPath::parse(call.message(&SCHEMA)?.text("path"))?;
    let files = Artifacts::of(&app).list(path).await?;
    if files.is_empty() {
        return Ok(Answer::empty());
    }
    Answer::named("files", &files)
}

async fn delete_artifact(app: App, call: Call) -> Answered {
    let path = path(&call)?;
    Artifacts::of(&app).delete(path).await?;
    Ok(Answer::empty())
}

async fn download(State(app): State<App>, params: RawPathParams, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let call = Call::new(&parts, &params, Bytes::new());
    let path = match path(&call) {
        Ok(path) => path,
        Err(refusal) => return refuse(&refusal),
    };
    match Artifacts::of(&app).get(path.clone(), path).await {
        Ok(download) => download.send(&parts.headers).await,
        Err(Unavailable::Directory(message)) => detail(&message),
        Err(Unavailable::Refused(refusal)) => refuse(&refusal),
    }
}

async fn upload(State(app): State<App>, params: RawPathParams, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let call = Call::new(&parts, &params, Bytes::new());
    let path = match path(&call) {
        Ok(path) => path,
        Err(refusal) => return refuse(&refusal),
    };
    if path.split().1.is_empty() {
        return detail("Artifact path must include a filename (cannot end with '/').");
    }
    let limits = Limits {
        bytes: app.config().largest_artifact,
        pause: app.config().request_timeout,
    };
    if promised(&parts.headers).is_some_and(|length| length > limits.bytes) {
        return refuse(&too_large(limits.bytes));
    }
    match Artifacts::of(&app).put(path, body, limits).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => refuse(&refusal),
    }
}

const PATH: (&str, &[Rule]) = ("path", &[Rule::Required, Rule::Text]);
const UPLOAD_ID: (&str, &[Rule]) = ("upload_id", &[Rule::Text]);

async fn create_multipart(_: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[Field::text("path"), Field::int("num_parts")],
        rules: &[PATH, ("num_parts", &[Rule::Int])],
    };
    multipart(&call, &SCHEMA)
}

async fn complete_multipart(_: App, call: Call) -> Answered {
    const PART: &[Field] = &[
        Field::int("part_number"),
        Field::text("etag"),
        Field::text("url"),
    ];
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("path"),
            Field::text("upload_id"),
            Field::many("parts", Kind::Message(PART)),
        ],
        rules: &[PATH, UPLOAD_ID, ("parts", &[Rule::Required])],
    };
    multipart(&call, &SCHEMA)
}

async fn abort_multipart(_: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[Field::text("path"), Field::text("upload_id")],
        rules: &[PATH, UPLOAD_ID],
    };
    multipart(&call, &SCHEMA)
}

/// Uploads in parts are for stores in the cloud, as MLflow has it.
fn multipart(call: &Call, schema: &'static Schema) -> Answered {
    path(call)?;
    call.message(schema)?;
    Err(unsupported("upload"))
}

async fn presigned(_: App, call: Call) -> Answered {
    path(&call)?;
    Err(unsupported("download"))
}

fn unsupported(what: &str) -> Refusal {
    Refusal::new(
        Code::NotImplemented,
        format!("Multipart {what} is not supported for the current artifact repository"),
    )
}

fn path(call: &Call) -> Result<ArtifactPath, Refusal> {
    ArtifactPath::parse(call.path("path"))
}

/// As these endpoints of MLflow's word what is wrong, and no others.
fn detail(message: &str) -> Response {
    let body = json!({ "detail": message }).to_string();
    let json = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::BAD_REQUEST, json, body).into_response()
}

fn promised(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}
