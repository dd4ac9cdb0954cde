//! `runs/*`

use mlflow_store::tracking::runs::{self, NewRun};

use super::experiments::parse_id;
use super::{Endpoint, get, post};
use crate::answer::{Answer, Answered};
use crate::app::App;
use crate::call::Call;
use crate::message::{Field, KEY_VALUE, Kind, Rule, Schema};
use crate::names;
use crate::observer::ChangeKind;

pub fn endpoints() -> Vec<Endpoint> {
    vec![post("runs/create", create), get("runs/get", get_run)]
}

async fn create(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("experiment_id"),
            Field::text("user_id"),
            Field::text("run_name"),
            Field::int("start_time"),
            Field::many("tags", Kind::Message(KEY_VALUE)),
        ],
        rules: &[
            ("experiment_id", &[Rule::Text]),
            ("start_time", &[Rule::Int]),
            ("run_name", &[Rule::Text]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let new = NewRun {
        run_id: names::run_id(),
        experiment_id: parse_id(message.some_text("experiment_id").unwrap_or("0"))?,
        name: message
            .some_text("run_name")
            .map_or_else(names::run_name, str::to_owned),
        user_id: message.text("user_id").to_owned(),
        start_time: message.int("start_time"),
        tags: message.pairs("tags"),
    };
    let id = new.run_id.clone();
    let run = app
        .change(ChangeKind::Created, &id, move |conn| {
            Ok((runs::create(conn, &new)?, new.experiment_id))
        })
        .await?;
    Answer::named("run", &run)
}

async fn get_run(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[Field::text("run_id"), Field::text("run_uuid")],
        rules: &[("run_id", &[Rule::Required, Rule::Text])],
    };
    let message = call.message(&SCHEMA)?;
    let id = message
        .some_text("run_id")
        .unwrap_or_else(|| message.text("run_uuid"))
        .to_owned();
    let run = app.read(move |conn| runs::get(conn, &id)).await?;
    Answer::named("run", &run)
}
