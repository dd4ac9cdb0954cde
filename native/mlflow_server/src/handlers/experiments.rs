//! `experiments/*`

use mlflow_store::tracking::Refusal;
use mlflow_store::tracking::experiments::{self, NewExperiment};

use super::{Endpoint, get, post};
use crate::answer::{Answer, Answered};
use crate::app::{self, App};
use crate::call::Call;
use crate::message::{Field, KEY_VALUE, Kind, Rule, Schema};

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("experiments/create", create),
        get("experiments/get", get_experiment),
    ]
}

async fn create(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("name"),
            Field::text("artifact_location"),
            Field::many("tags", Kind::Message(KEY_VALUE)),
        ],
        rules: &[
            ("name", &[Rule::Required, Rule::Text]),
            ("artifact_location", &[Rule::Text]),
            ("tags", &[Rule::Array]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let new = NewExperiment {
        name: message.text("name").to_owned(),
        artifact_location: message.text("artifact_location").to_owned(),
        tags: message.pairs("tags"),
    };
    let root = app.config().default_artifact_root.clone();
    let id = app
        .write(move |conn| experiments::create(conn, &new, &root, app::now()))
        .await?;
    Answer::named("experiment_id", &id)
}

async fn get_experiment(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[Field::text("experiment_id")],
        rules: &[("experiment_id", &[Rule::Required, Rule::Text])],
    };
    let id = parse_id(call.message(&SCHEMA)?.text("experiment_id"))?;
    let experiment = app.read(move |conn| experiments::get(conn, id)).await?;
    Answer::named("experiment", &experiment)
}

/// Ids are numbers, and nothing else is looked for.
pub fn parse_id(text: &str) -> Result<i64, Refusal> {
    text.parse().map_err(|_| {
        Refusal::invalid(format!(
            "Invalid experiment ID '{text}'. Experiment ID must be a valid integer."
        ))
    })
}
