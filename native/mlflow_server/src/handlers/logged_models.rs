//! `logged-models/*`

use mlflow_store::tracking::logged_models::{self, NewLoggedModel, STATUSES};

use super::experiments::parse_id;
use super::{Endpoint, delete, get, patch, post};
use crate::answer::{Answer, Answered};
use crate::app::{self, App};
use crate::call::Call;
use crate::message::{Field, KEY_VALUE, Kind, Rule, Schema};
use crate::names;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("logged-models", create),
        get("logged-models/{model_id}", get_model),
        patch("logged-models/{model_id}", finalize),
        delete("logged-models/{model_id}", delete_model),
        post("logged-models/{model_id}/params", log_params),
        patch("logged-models/{model_id}/tags", set_tags),
        delete("logged-models/{model_id}/tags/{tag_key}", delete_tag),
    ]
}

async fn create(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("experiment_id"),
            Field::text("name"),
            Field::text("model_type"),
            Field::text("source_run_id"),
            Field::many("params", Kind::Message(KEY_VALUE)),
            Field::many("tags", Kind::Message(KEY_VALUE)),
        ],
        rules: &[
            ("experiment_id", &[Rule::Text, Rule::Required]),
            ("name", &[Rule::Text]),
            ("model_type", &[Rule::Text]),
            ("source_run_id", &[Rule::Text]),
            ("params", &[Rule::Array]),
            ("tags", &[Rule::Array]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let new = NewLoggedModel {
        model_id: names::logged_model_id(),
        experiment_id: parse_id(message.text("experiment_id"))?,
        name: message
            .some_text("name")
            .map_or_else(names::run_name, str::to_owned),
        model_type: message.text("model_type").to_owned(),
        source_run_id: message.text("source_run_id").to_owned(),
        params: message.pairs("params"),
        tags: message.pairs("tags"),
    };
    let model = app
        .write(move |conn| logged_models::create(conn, &new, app::now()))
        .await?;
    Answer::named("model", &model)
}

async fn get_model(app: App, call: Call) -> Answered {
    let id = call.path("model_id").to_owned();
    let deleted = call.query("allow_deleted").unwrap_or_default();
    let allow_deleted = deleted.eq_ignore_ascii_case("true");
    let model = app
        .read(move |conn| logged_models::get(conn, &id, allow_deleted))
        .await?;
    Answer::named("model", &model)
}

/// The model that the body names, whatever the path says.
async fn finalize(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("model_id"),
            Field::one("status", Kind::Enum(&STATUSES)),
        ],
        rules: &[
            ("model_id", &[Rule::Text, Rule::Required]),
            ("status", &[Rule::Int, Rule::Required]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let model = app
        .write(move |conn| {
            let (id, status) = (message.text("model_id"), message.text("status"));
            logged_models::finalize(conn, id, status, app::now())
        })
        .await?;
    Answer::named("model", &model)
}

async fn delete_model(app: App, call: Call) -> Answered {
    let id = call.path("model_id").to_owned();
    app.write(move |conn| logged_models::delete(conn, &id, app::now()))
        .await?;
    Ok(Answer::empty())
}

async fn log_params(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("model_id"),
            Field::many("params", Kind::Message(KEY_VALUE)),
        ],
        rules: &[
            ("model_id", &[Rule::Text, Rule::Required]),
            ("params", &[Rule::Array]),
        ],
    };
    let id = call.path("model_id").to_owned();
    let params = call.message(&SCHEMA)?.pairs("params");
    app.write(move |conn| logged_models::log_params(conn, &id, &params))
        .await?;
    Ok(Answer::empty())
}

async fn set_tags(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[Field::many("tags", Kind::Message(KEY_VALUE))],
        rules: &[("tags", &[Rule::Array])],
    };
    let id = call.path("model_id").to_owned();
    let tags = call.message(&SCHEMA)?.pairs("tags");
    app.write(move |conn| logged_models::set_tags(conn, &id, &tags))
        .await?;
    Ok(Answer::empty())
}

async fn delete_tag(app: App, call: Call) -> Answered {
    let (id, key) = (
        call.path("model_id").to_owned(),
        call.path("tag_key").to_owned(),
    );
    app.write(move |conn| logged_models::delete_tag(conn, &id, &key))
        .await?;
    Ok(Answer::empty())
}
