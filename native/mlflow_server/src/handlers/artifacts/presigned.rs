//! URLs that an artifact store signs for its clients: no store of this server's does.

use mlflow_store::tracking::uris::Uri;
use mlflow_store::tracking::{Code, Refusal};

use super::{uri_of_model, uri_of_run};
use crate::answer::Answered;
use crate::app::App;
use crate::artifacts::ArtifactPath;
use crate::call::Call;
use crate::message::{Field, Rule, Schema};

/// What the stores in the cloud sign for at most (seconds).
const LONGEST_EXPIRATION: i64 = 604_800;

pub async fn upload_url(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("run_id"),
            Field::text("model_id"),
            Field::text("path"),
            Field::int("expiration"),
        ],
        rules: &[
            ("run_id", &[Rule::Text]),
            ("model_id", &[Rule::Text]),
            ("path", &[Rule::Required, Rule::Text]),
            ("expiration", &[Rule::Int]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let owner = (message.some_text("run_id"), message.some_text("model_id"));
    let uri = match owner {
        (Some(_), Some(_)) | (None, None) => {
            return Err(Refusal::invalid(
                "Exactly one of run_id and model_id must be provided.",
            ));
        }
        _ => {
            ArtifactPath::parse(message.text("path"))?;
            match owner {
                (Some(run_id), _) => uri_of_run(&app, run_id).await?,
                (_, model_id) => uri_of_model(&app, model_id.unwrap_or_default()).await?,
            }
        }
    };
    Err(unsupported(
        "upload",
        "proxied artifact storage",
        "direct",
        &uri,
    ))
}

pub async fn download_url(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("run_id"),
            Field::text("path"),
            Field::int("expiration"),
        ],
        rules: &[
            ("run_id", &[Rule::Required, Rule::Text]),
            ("path", &[Rule::Required, Rule::Text]),
            ("expiration", &[Rule::Int]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    ArtifactPath::parse(message.text("path"))?;
    let expiration = message.some_int("expiration").unwrap_or(1);
    if !(1..=LONGEST_EXPIRATION).contains(&expiration) {
        return Err(Refusal::invalid(format!(
            "expiration must be between 1 and {LONGEST_EXPIRATION} seconds (got {expiration})."
        )));
    }
    let uri = uri_of_run(&app, message.text("run_id")).await?;
    let storage = "runs with proxied artifact storage";
    Err(unsupported("download", storage, "run with a direct", &uri))
}

fn unsupported(what: &str, storage: &str, instead: &str, uri: &str) -> Refusal {
    let scheme = Uri::parse(uri).scheme;
    if matches!(scheme.as_str(), "http" | "https" | "mlflow-artifacts") {
        return Refusal::invalid(format!(
            "Presigned {what} is not supported for {storage} (artifact URI scheme: {scheme}). This \
             endpoint requires a {instead} cloud storage artifact URI."
        ));
    }
    Refusal::new(
        Code::NotImplemented,
        format!("Presigned {what} is not supported for the current artifact repository"),
    )
}
