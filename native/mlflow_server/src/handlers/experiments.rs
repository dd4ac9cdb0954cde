//! `experiments/*`

use mlflow_store::tracking::Refusal;
use mlflow_store::tracking::entities::KeyValue;
use mlflow_store::tracking::experiments::{self, NewExperiment, tags};

use super::{Endpoint, get, post};
use crate::answer::{Answer, Answered};
use crate::app::{self, App};
use crate::call::Call;
use crate::message::{Field, KEY_VALUE, Kind, Rule, Schema};

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("experiments/create", create),
        get("experiments/get", get_experiment),
        get("experiments/get-by-name", get_by_name),
        post("experiments/update", update),
        post("experiments/delete", delete),
        post("experiments/restore", restore),
        post("experiments/set-experiment-tag", set_tag),
        post("experiments/delete-experiment-tag", delete_tag),
    ]
}

const ID: Schema = Schema {
    fields: &[Field::text("experiment_id")],
    rules: &[("experiment_id", &[Rule::Required, Rule::Text])],
};

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
    let id = parse_id(call.message(&ID)?.text("experiment_id"))?;
    let experiment = app.read(move |conn| experiments::get(conn, id)).await?;
    Answer::named("experiment", &experiment)
}

async fn get_by_name(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[Field::text("experiment_name")],
        rules: &[("experiment_name", &[Rule::Required, Rule::Text])],
    };
    let name = call.message(&SCHEMA)?.text("experiment_name").to_owned();
    let experiment = app
        .read(move |conn| experiments::get_by_name(conn, &name))
        .await?;
    Answer::named("experiment", &experiment)
}

async fn update(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[Field::text("experiment_id"), Field::text("new_name")],
        rules: &[
            ("experiment_id", &[Rule::Required, Rule::Text]),
            ("new_name", &[Rule::Text, Rule::Required]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let id = parse_id(message.text("experiment_id"))?;
    let name = message.text("new_name").to_owned();
    app.write(move |conn| experiments::rename(conn, id, &name, app::now()))
        .await?;
    Ok(Answer::empty())
}

async fn delete(app: App, call: Call) -> Answered {
    let id = parse_id(call.message(&ID)?.text("experiment_id"))?;
    app.write(move |conn| experiments::delete(conn, id, app::now()))
        .await?;
    Ok(Answer::empty())
}

async fn restore(app: App, call: Call) -> Answered {
    let id = parse_id(call.message(&ID)?.text("experiment_id"))?;
    app.write(move |conn| experiments::restore(conn, id, app::now()))
        .await?;
    Ok(Answer::empty())
}

async fn set_tag(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("experiment_id"),
            Field::text("key"),
            Field::text("value"),
        ],
        rules: &[
            ("experiment_id", &[Rule::Required, Rule::Text]),
            ("key", &[Rule::Required, Rule::Text]),
            ("value", &[Rule::Text]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let tag = KeyValue {
        key: message.text("key").to_owned(),
        value: message.text("value").to_owned(),
    };
    let id = parse_id(message.text("experiment_id"))?;
    app.write(move |conn| tags::set(conn, id, &tag)).await?;
    Ok(Answer::empty())
}

async fn delete_tag(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[Field::text("experiment_id"), Field::text("key")],
        rules: &[
            ("experiment_id", &[Rule::Required, Rule::Text]),
            ("key", &[Rule::Required, Rule::Text]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let id = parse_id(message.text("experiment_id"))?;
    let key = message.text("key").to_owned();
    app.write(move |conn| tags::delete(conn, id, &key)).await?;
    Ok(Answer::empty())
}

/// Ids are numbers, and nothing else is looked for.
pub fn parse_id(text: &str) -> Result<i64, Refusal> {
    text.parse().map_err(|_| {
        Refusal::invalid(format!(
            "Invalid experiment ID '{text}'. Experiment ID must be a valid integer."
        ))
    })
}
