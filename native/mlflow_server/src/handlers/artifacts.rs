//! Artifacts of runs, logged models and model versions, by the path below each; and the proxy that
//! clients of `mlflow-artifacts:` locations speak with.

pub mod files;
mod presigned;
pub mod proxy;

use mlflow_store::tracking::{Refusal, logged_models, runs};
use serde::Serialize;

use super::{Endpoint, get, post};
use crate::answer::{Answer, Answered};
use crate::app::App;
use crate::artifacts::{ArtifactPath, Artifacts, FileInfo};
use crate::call::Call;
use crate::message::{Field, Rule, Schema};

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("artifacts/list", list_of_run),
        get(
            "logged-models/{model_id}/artifacts/directories",
            list_of_model,
        ),
        post("artifacts/presigned-upload-url", presigned::upload_url),
        post("artifacts/presigned-download-url", presigned::download_url),
    ]
}

#[derive(Serialize)]
struct Listing {
    root_uri: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<FileInfo>,
}

async fn list_of_run(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("run_id"),
            Field::text("run_uuid"),
            Field::text("path"),
        ],
        rules: &[
            ("run_id", &[Rule::Text, Rule::Required]),
            ("path", &[Rule::Text]),
            ("page_token", &[Rule::Text]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let path = ArtifactPath::parse(message.text("path"))?;
    let id = message
        .some_text("run_id")
        .unwrap_or_else(|| message.text("run_uuid"));
    let root = uri_of_run(&app, id).await?;
    list(&app, root, path).await
}

async fn list_of_model(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[Field::text("artifact_directory_path")],
        rules: &[("artifact_directory_path", &[Rule::Text])],
    };
    let message = call.message(&SCHEMA)?;
    let path = ArtifactPath::parse(message.text("artifact_directory_path"))?;
    let root = uri_of_model(&app, call.path("model_id")).await?;
    list(&app, root, path).await
}

/// Paths in the answer are those below the root, as the request writes its own.
async fn list(app: &App, root_uri: String, path: ArtifactPath) -> Answered {
    let artifacts = Artifacts::of(app);
    let folder = artifacts.locate(&root_uri)?.join(&path);
    let mut files = artifacts.list(folder).await?;
    let prefix = match path.text() {
        "" => String::new(),
        path if path.ends_with('/') => path.to_owned(),
        path => format!("{path}/"),
    };
    for file in &mut files {
        file.path.insert_str(0, &prefix);
    }
    Answer::json(&Listing { root_uri, files })
}

async fn uri_of_run(app: &App, id: &str) -> Result<String, Refusal> {
    let id = id.to_owned();
    app.read(move |conn| runs::artifact_uri(conn, &id)).await
}

async fn uri_of_model(app: &App, id: &str) -> Result<String, Refusal> {
    let id = id.to_owned();
    app.read(move |conn| logged_models::artifact_uri(conn, &id))
        .await
}
