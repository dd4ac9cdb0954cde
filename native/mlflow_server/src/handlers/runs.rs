//! `runs/*`

mod batch;
mod inputs;
mod logging;

use mlflow_store::tracking::runs::{self, NewRun, Update};
use mlflow_store::tracking::{Code, Refusal};

use super::experiments::parse_id;
use super::{Endpoint, get, post};
use crate::answer::{Answer, Answered};
use crate::app::{self, App};
use crate::call::Call;
use crate::message::{Field, KEY_VALUE, Kind, Message, Rule, Schema};
use crate::names;
use crate::observer::ChangeKind;

pub fn endpoints() -> Vec<Endpoint> {
    let mut endpoints = vec![
        post("runs/create", create),
        get("runs/get", get_run),
        post("runs/update", update),
        post("runs/delete", delete),
        post("runs/restore", restore),
        post("runs/log-batch", batch::log_batch),
    ];
    endpoints.extend(logging::endpoints());
    endpoints.extend(inputs::endpoints());
    endpoints
}

pub const STATUSES: &[(&str, i64)] = &[
    ("RUNNING", 1),
    ("SCHEDULED", 2),
    ("FINISHED", 3),
    ("FAILED", 4),
    ("KILLED", 5),
];

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
        experiment_id: experiment_id(&message)?,
        name: message.text("run_name").to_owned(),
        generated_name: names::run_name(),
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

fn experiment_id(message: &Message) -> Result<i64, Refusal> {
    let given = message.some_text("experiment_id");
    parse_id(given.ok_or_else(|| {
        Refusal::new(
            Code::BadRequest,
            "A run belongs to an experiment: give its experiment_id, which is \"0\" for the default \
             one.",
        )
    })?)
}

async fn get_run(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[Field::text("run_id"), Field::text("run_uuid")],
        rules: &[("run_id", &[Rule::Required, Rule::Text])],
    };
    let id = run_id(&call.message(&SCHEMA)?);
    let run = app.read(move |conn| runs::get(conn, &id)).await?;
    Answer::named("run", &run)
}

async fn update(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("run_id"),
            Field::text("run_uuid"),
            Field::one("status", Kind::Enum(STATUSES)),
            Field::int("end_time"),
            Field::text("run_name"),
        ],
        rules: &[
            ("run_id", &[Rule::Required, Rule::Text]),
            ("end_time", &[Rule::Int]),
            ("status", &[Rule::Text]),
            ("run_name", &[Rule::Text]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let id = run_id(&message);
    let update = Update {
        status: message.some_text("status").map(str::to_owned),
        end_time: message.some_int("end_time"),
        name: message.some_text("run_name").map(str::to_owned),
    };
    let run_info = app
        .change(ChangeKind::Updated, &id.clone(), move |conn| {
            runs::update(conn, &id, &update)
        })
        .await?;
    Answer::named("run_info", &run_info)
}

const ID: Schema = Schema {
    fields: &[Field::text("run_id")],
    rules: &[("run_id", &[Rule::Required, Rule::Text])],
};

async fn delete(app: App, call: Call) -> Answered {
    let id = call.message(&ID)?.text("run_id").to_owned();
    app.change(ChangeKind::Deleted, &id.clone(), move |conn| {
        Ok(((), runs::delete(conn, &id, app::now())?))
    })
    .await?;
    Ok(Answer::empty())
}

async fn restore(app: App, call: Call) -> Answered {
    let id = call.message(&ID)?.text("run_id").to_owned();
    app.change(ChangeKind::Restored, &id.clone(), move |conn| {
        Ok(((), runs::restore(conn, &id)?))
    })
    .await?;
    Ok(Answer::empty())
}

/// Old clients say `run_uuid`.
pub(super) fn run_id(message: &Message) -> String {
    let id = message.some_text("run_id");
    id.unwrap_or_else(|| message.text("run_uuid")).to_owned()
}
