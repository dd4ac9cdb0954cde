//! `registered-models/*`

use mlflow_store::tracking::entities::KeyValue;
use mlflow_store::tracking::registered_models::{self, NewRegisteredModel, aliases};

use super::{Endpoint, delete, get, patch, post};
use crate::answer::{Answer, Answered};
use crate::app::{self, App};
use crate::call::Call;
use crate::message::{Field, KEY_VALUE, Kind, Rule, Schema};

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("registered-models/create", create),
        get("registered-models/get", get_model),
        patch("registered-models/update", update),
        post("registered-models/rename", rename),
        delete("registered-models/delete", delete_model),
        get("registered-models/get-latest-versions", get_latest_versions),
        post("registered-models/get-latest-versions", get_latest_versions),
        post("registered-models/set-tag", set_tag),
        delete("registered-models/delete-tag", delete_tag),
        get("registered-models/alias", get_by_alias),
        post("registered-models/alias", set_alias),
        delete("registered-models/alias", delete_alias),
    ]
}

const NAME: (&str, &[Rule]) = ("name", &[Rule::Text, Rule::Required]);
const ALIAS: (&str, &[Rule]) = ("alias", &[Rule::Text, Rule::Required]);
const BY_NAME: Schema = Schema {
    fields: &[Field::text("name")],
    rules: &[NAME],
};
const BY_ALIAS: Schema = Schema {
    fields: &[Field::text("name"), Field::text("alias")],
    rules: &[NAME, ALIAS],
};

async fn create(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("name"),
            Field::many("tags", Kind::Message(KEY_VALUE)),
            Field::text("description"),
        ],
        rules: &[
            NAME,
            ("tags", &[Rule::Array]),
            ("description", &[Rule::Text]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let new = NewRegisteredModel {
        name: message.text("name").to_owned(),
        description: message.text("description").to_owned(),
        tags: message.pairs("tags"),
    };
    let model = app
        .write(move |conn| registered_models::create(conn, &new, app::now()))
        .await?;
    Answer::named("registered_model", &model)
}

async fn get_model(app: App, call: Call) -> Answered {
    let name = call.message(&BY_NAME)?.text("name").to_owned();
    let model = app
        .read(move |conn| registered_models::get(conn, &name))
        .await?;
    Answer::named("registered_model", &model)
}

async fn update(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[Field::text("name"), Field::text("description")],
        rules: &[NAME, ("description", &[Rule::Text])],
    };
    let message = call.message(&SCHEMA)?;
    let model = app
        .write(move |conn| {
            let description = message.text("description");
            registered_models::update(conn, message.text("name"), description, app::now())
        })
        .await?;
    Answer::named("registered_model", &model)
}

async fn rename(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[Field::text("name"), Field::text("new_name")],
        rules: &[NAME, ("new_name", &[Rule::Text, Rule::Required])],
    };
    let message = call.message(&SCHEMA)?;
    let model = app
        .write(move |conn| {
            let new_name = message.text("new_name");
            registered_models::rename(conn, message.text("name"), new_name, app::now())
        })
        .await?;
    Answer::named("registered_model", &model)
}

async fn delete_model(app: App, call: Call) -> Answered {
    let name = call.message(&BY_NAME)?.text("name").to_owned();
    app.write(move |conn| registered_models::delete(conn, &name))
        .await?;
    Ok(Answer::empty())
}

async fn get_latest_versions(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[Field::text("name"), Field::many("stages", Kind::Text)],
        rules: &[NAME, ("stages", &[Rule::Array, Rule::Texts])],
    };
    let message = call.message(&SCHEMA)?;
    let versions = app
        .read(move |conn| {
            let stages: Vec<_> = message.texts("stages").map(str::to_owned).collect();
            registered_models::latest_versions(conn, message.text("name"), &stages)
        })
        .await?;
    if versions.is_empty() {
        return Ok(Answer::empty());
    }
    Answer::named("model_versions", &versions)
}

async fn set_tag(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("name"),
            Field::text("key"),
            Field::text("value"),
        ],
        rules: &[
            NAME,
            ("key", &[Rule::Text, Rule::Required]),
            ("value", &[Rule::Text]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let tag = KeyValue {
        key: message.text("key").to_owned(),
        value: message.text("value").to_owned(),
    };
    app.write(move |conn| registered_models::set_tag(conn, message.text("name"), &tag))
        .await?;
    Ok(Answer::empty())
}

async fn delete_tag(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[Field::text("name"), Field::text("key")],
        rules: &[NAME, ("key", &[Rule::Text, Rule::Required])],
    };
    let message = call.message(&SCHEMA)?;
    app.write(move |conn| {
        registered_models::delete_tag(conn, message.text("name"), message.text("key"))
    })
    .await?;
    Ok(Answer::empty())
}

async fn get_by_alias(app: App, call: Call) -> Answered {
    let message = call.message(&BY_ALIAS)?;
    let version = app
        .read(move |conn| aliases::get(conn, message.text("name"), message.text("alias")))
        .await?;
    Answer::named("model_version", &version)
}

async fn set_alias(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("name"),
            Field::text("alias"),
            Field::text("version"),
        ],
        rules: &[NAME, ALIAS, ("version", &[Rule::Text, Rule::Required])],
    };
    let message = call.message(&SCHEMA)?;
    app.write(move |conn| {
        let (alias, version) = (message.text("alias"), message.text("version"));
        aliases::set(conn, message.text("name"), alias, version)
    })
    .await?;
    Ok(Answer::empty())
}

async fn delete_alias(app: App, call: Call) -> Answered {
    let message = call.message(&BY_ALIAS)?;
    app.write(move |conn| aliases::delete(conn, message.text("name"), message.text("alias")))
        .await?;
    Ok(Answer::empty())
}
