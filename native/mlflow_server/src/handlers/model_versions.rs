//! `model-versions/*`

use mlflow_store::tracking::entities::KeyValue;
use mlflow_store::tracking::model_versions::{self, NewModelVersion};

use super::{Endpoint, delete, get, patch, post};
use crate::answer::{Answer, Answered};
use crate::app::{self, App};
use crate::call::Call;
use crate::message::{Field, KEY_VALUE, Kind, Rule, Schema};

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("model-versions/create", create),
        get("model-versions/get", get_version),
        patch("model-versions/update", update),
        post("model-versions/transition-stage", transition),
        delete("model-versions/delete", delete_version),
        get("model-versions/get-download-uri", get_download_uri),
        post("model-versions/set-tag", set_tag),
        delete("model-versions/delete-tag", delete_tag),
    ]
}

const NAME: (&str, &[Rule]) = ("name", &[Rule::Text, Rule::Required]);
const VERSION: (&str, &[Rule]) = ("version", &[Rule::Text, Rule::Required]);
const KEY: (&str, &[Rule]) = ("key", &[Rule::Text, Rule::Required]);
const BY_VERSION: Schema = Schema {
    fields: &[Field::text("name"), Field::text("version")],
    rules: &[NAME, VERSION],
};

async fn create(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("name"),
            Field::text("source"),
            Field::text("run_id"),
            Field::many("tags", Kind::Message(KEY_VALUE)),
            Field::text("run_link"),
            Field::text("description"),
            Field::text("model_id"),
        ],
        rules: &[
            NAME,
            ("source", &[Rule::Text, Rule::Required]),
            ("run_id", &[Rule::Text]),
            ("tags", &[Rule::Array]),
            ("run_link", &[Rule::Text]),
            ("description", &[Rule::Text]),
            ("model_id", &[Rule::Text]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let given = |name: &'static str| message.has(name).then(|| message.text(name).to_owned());
    let new = NewModelVersion {
        name: message.text("name").to_owned(),
        source: message.text("source").to_owned(),
        run_id: given("run_id"),
        model_id: given("model_id"),
        run_link: message.text("run_link").to_owned(),
        description: message.text("description").to_owned(),
        tags: message.pairs("tags"),
    };
    let root = app.config().default_artifact_root.clone();
    let version = app
        .write(move |conn| model_versions::create(conn, new, &root, app::now()))
        .await?;
    Answer::named("model_version", &version)
}

async fn get_version(app: App, call: Call) -> Answered {
    let message = call.message(&BY_VERSION)?;
    let version = app
        .read(move |conn| model_versions::get(conn, message.text("name"), message.text("version")))
        .await?;
    Answer::named("model_version", &version)
}

async fn update(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("name"),
            Field::text("version"),
            Field::text("description"),
        ],
        rules: &[NAME, VERSION, ("description", &[Rule::Text])],
    };
    let message = call.message(&SCHEMA)?;
    let version = app
        .write(move |conn| {
            let (name, version) = (message.text("name"), message.text("version"));
            let description = message
                .has("description")
                .then(|| message.text("description"));
            model_versions::update(conn, name, version, description, app::now())
        })
        .await?;
    Answer::named("model_version", &version)
}

async fn transition(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("name"),
            Field::text("version"),
            Field::text("stage"),
            Field::one("archive_existing_versions", Kind::Bool),
        ],
        rules: &[
            NAME,
            VERSION,
            ("stage", &[Rule::Text, Rule::Required]),
            ("archive_existing_versions", &[Rule::Bool]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let version = app
        .write(move |conn| {
            let (name, version) = (message.text("name"), message.text("version"));
            let archive = message.bool("archive_existing_versions");
            let stage = message.text("stage");
            model_versions::transition(conn, name, version, stage, archive, app::now())
        })
        .await?;
    Answer::named("model_version", &version)
}

async fn delete_version(app: App, call: Call) -> Answered {
    let message = call.message(&BY_VERSION)?;
    app.write(move |conn| {
        let (name, version) = (message.text("name"), message.text("version"));
        model_versions::delete(conn, name, version, app::now())
    })
    .await?;
    Ok(Answer::empty())
}

async fn get_download_uri(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[Field::text("name"), Field::text("version")],
        rules: &[],
    };
    let message = call.message(&SCHEMA)?;
    let uri = app
        .read(move |conn| {
            model_versions::download_uri(conn, message.text("name"), message.text("version"))
        })
        .await?;
    Answer::named("artifact_uri", &uri)
}

async fn set_tag(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("name"),
            Field::text("version"),
            Field::text("key"),
            Field::text("value"),
        ],
        rules: &[NAME, VERSION, KEY, ("value", &[Rule::Text])],
    };
    let message = call.message(&SCHEMA)?;
    let tag = KeyValue {
        key: message.text("key").to_owned(),
        value: message.text("value").to_owned(),
    };
    app.write(move |conn| {
        model_versions::set_tag(conn, message.text("name"), message.text("version"), &tag)
    })
    .await?;
    Ok(Answer::empty())
}

async fn delete_tag(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("name"),
            Field::text("version"),
            Field::text("key"),
        ],
        rules: &[NAME, VERSION, KEY],
    };
    let message = call.message(&SCHEMA)?;
    app.write(move |conn| {
        let (name, version) = (message.text("name"), message.text("version"));
        model_versions::delete_tag(conn, name, version, message.text("key"))
    })
    .await?;
    Ok(Answer::empty())
}
