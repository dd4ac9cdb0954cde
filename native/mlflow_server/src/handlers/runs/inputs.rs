//! What a run was given and what it made.

use mlflow_store::tracking::entities::{Dataset, DatasetInput, ModelOutput};
use mlflow_store::tracking::runs::inputs;

use super::logging::log;
use crate::answer::Answered;
use crate::app::App;
use crate::call::Call;
use crate::handlers::{Endpoint, post};
use crate::message::{Field, KEY_VALUE, Kind, Message, Rule, Schema};

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("runs/log-inputs", log_inputs),
        post("runs/outputs", log_outputs),
    ]
}

const DATASET: &[Field] = &[
    Field::text("name"),
    Field::text("digest"),
    Field::text("source_type"),
    Field::text("source"),
    Field::text("schema"),
    Field::text("profile"),
];
const DATASET_INPUT: &[Field] = &[
    Field::many("tags", Kind::Message(KEY_VALUE)),
    Field::one("dataset", Kind::Message(DATASET)),
];
const MODEL: &[Field] = &[Field::text("model_id"), Field::int("step")];

async fn log_inputs(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("run_id"),
            Field::many("datasets", Kind::Message(DATASET_INPUT)),
            Field::many("models", Kind::Message(MODEL)),
        ],
        rules: &[
            ("run_id", &[Rule::Required, Rule::Text]),
            ("datasets", &[Rule::Array]),
            ("models", &[Rule::Array]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let datasets: Vec<_> = message.messages("datasets").map(dataset_input).collect();
    let models: Vec<_> = message
        .messages("models")
        .map(|model| model.text("model_id").to_owned())
        .collect();
    log(
        app,
        message.text("run_id").to_owned(),
        move |conn, run_id| inputs::log(conn, run_id, &datasets, &models),
    )
    .await
}

async fn log_outputs(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("run_id"),
            Field::many("models", Kind::Message(MODEL)),
        ],
        rules: &[
            ("run_id", &[Rule::Required, Rule::Text]),
            ("models", &[Rule::Required, Rule::Array]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let models: Vec<_> = message.messages("models").map(model_output).collect();
    log(
        app,
        message.text("run_id").to_owned(),
        move |conn, run_id| inputs::log_outputs(conn, run_id, &models),
    )
    .await
}

fn dataset_input(input: &Message) -> DatasetInput {
    let text = |name| {
        let dataset = input.message("dataset");
        dataset.map_or("", |dataset| dataset.text(name)).to_owned()
    };
    DatasetInput {
        tags: input.pairs("tags"),
        dataset: Dataset {
            name: text("name"),
            digest: text("digest"),
            source_type: text("source_type"),
            source: text("source"),
            schema: Some(text("schema")).filter(|schema| !schema.is_empty()),
            profile: Some(text("profile")).filter(|profile| !profile.is_empty()),
        },
    }
}

fn model_output(model: &Message) -> ModelOutput {
    ModelOutput {
        model_id: model.text("model_id").to_owned(),
        step: model.int("step"),
    }
}
